import { describe, expect, it } from 'vitest'
import { formatOwnRun, formatRun, showSameTimes, toInstant, wallClock, zoneNames } from './zones'

describe('wall clocks', () => {
  it.each([
    ['2026-05-01T19:30', 'Asia/Shanghai', '2026-05-01T11:30:00.000Z'],
    ['2026-01-15T12:00', 'Europe/Berlin', '2026-01-15T11:00:00.000Z'],
    ['2026-07-15T12:00', 'Europe/Berlin', '2026-07-15T10:00:00.000Z'],
    ['2026-05-01T00:10', 'Asia/Kathmandu', '2026-04-30T18:25:00.000Z'],
    // Right after the clocks went forward, and right before they go back.
    ['2026-03-29T03:30', 'Europe/Berlin', '2026-03-29T01:30:00.000Z'],
    ['2026-10-25T01:30', 'Europe/Berlin', '2026-10-24T23:30:00.000Z'],
  ])('%s in %s is %s', (wall, zone, instant) => {
    expect(toInstant(wall, zone)).toBe(instant)
    expect(wallClock(new Date(instant), zone)).toBe(wall)
  })

  it('take a time that the clocks skip as one hour later', () => {
    expect(toInstant('2026-03-29T02:30', 'Europe/Berlin')).toBe('2026-03-29T01:30:00.000Z')
    expect(toInstant('2026-03-08T02:30', 'America/New_York')).toBe('2026-03-08T07:30:00.000Z')
  })

  it.each(['', 'x', '2026-13-01T00:00'])('refuse %j', (wall) => {
    expect(toInstant(wall, 'UTC')).toBeNull()
  })

  it('know whether two zones differ', () => {
    const runs = ['2026-05-01T11:30:00Z']
    expect(showSameTimes(runs, 'Asia/Shanghai', 'Asia/Taipei')).toBe(true)
    expect(showSameTimes(runs, 'Asia/Shanghai', 'Asia/Tokyo')).toBe(false)
  })

  it('are shown with the day of the week', () => {
    const now = Date.parse('2026-03-01T00:00:00Z')
    expect(formatRun('2026-05-01T11:30:00Z', 'Asia/Shanghai', 'en', now)).toMatch(/^Fri, May 1, 19:30$/)
    // New Year's Eve in UTC is New Year's Day in Shanghai.
    expect(formatRun('2026-12-31T20:00:00Z', 'Asia/Shanghai', 'en', now)).toMatch(/^Fri, Jan 1, 2027/)
  })

  it('are short by the clocks of the reader, where the day is the same', () => {
    const own = (iso: string) => formatOwnRun(iso, 'Europe/Berlin', 'Asia/Shanghai', 'en')
    expect(own('2026-05-01T12:00:00Z')).toBe('20:00')
    expect(own('2026-05-01T20:00:00Z')).toMatch(/May 2.*04:00$/)
  })

  it('are known for all zones', () => {
    expect(zoneNames()).toEqual(expect.arrayContaining(['Asia/Shanghai', 'Europe/Berlin', 'UTC']))
  })
})
