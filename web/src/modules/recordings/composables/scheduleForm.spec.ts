import { describe, expect, it } from 'vitest'
import { durationOf, emptySchedule, entryOfSchedule, expressionOf, toBody } from './scheduleForm'
import type { Schedule } from './useSchedules'

const NOW_MS = Date.parse('2026-05-01T10:00:00Z')
const schedule = (more: Partial<Schedule>): Schedule =>
  ({
    source_id: 3,
    name: 'Evening',
    cron_expr: null,
    run_at: null,
    duration_s: 5400,
    timezone: 'Asia/Shanghai',
    overlap: 'extend',
    missed: 'skip',
    is_active: false,
    ...more,
  }) as Schedule

describe('the form of a schedule', () => {
  it('gives a repeated plan back as it was', () => {
    const before = schedule({ cron_expr: '30 19 * * 1,3' })
    const entry = entryOfSchedule(before, NOW_MS)
    expect(entry).toMatchObject({ source: '3', repeat: 'weekly', time: '19:30', days: [1, 3], hours: 1, minutes: 30 })
    expect(toBody(entry)).toEqual(before)
  })

  it('gives one run back at the same instant, shown by the clocks of its zone', () => {
    const entry = entryOfSchedule(schedule({ run_at: '2026-06-01T11:30:00.000Z' }), NOW_MS)
    expect(entry).toMatchObject({ repeat: 'once', at: '2026-06-01T19:30' })
    expect(expressionOf(entry)).toBe('')
    expect(toBody(entry)).toMatchObject({ cron_expr: null, run_at: '2026-06-01T11:30:00.000Z' })
  })

  it('begins with an hour, and counts empty numbers as none', () => {
    const entry = emptySchedule('1', NOW_MS)
    expect(durationOf(entry)).toBe(3600)
    expect(durationOf({ ...entry, hours: undefined, minutes: 5 })).toBe(300)
  })

  it('never shortens a recording to fit its minutes', () => {
    expect(durationOf(entryOfSchedule(schedule({ duration_s: 61, cron_expr: '0 9 * * *' }), NOW_MS))).toBe(120)
  })
})
