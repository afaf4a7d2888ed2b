import { describe, expect, it } from 'vitest'
import { gapSeconds, spanOf, stretchesOf } from './gaps'
import type { Gap, Task } from './useTasks'

const gap = (start_ms: number, end_ms: number): Gap => ({ start_ms, end_ms }) as Gap
const task = (more: Partial<Task>): Task => ({ started_at: null, ended_at: null, pre_roll_s: 0, ...more }) as Task

describe('the time line of a task', () => {
  it('runs from its start, with what was taken along, to its end or to now', () => {
    const started_at = new Date(10_000).toISOString()
    expect(spanOf(task({ started_at, pre_roll_s: 5 }), 60_000)).toEqual({ startMs: 5000, endMs: 60_000 })
    expect(spanOf(task({ started_at, ended_at: new Date(20_000).toISOString() }), 60_000)?.endMs).toBe(20_000)
  })

  it('is not there before the start', () => {
    expect(spanOf(task({}), 60_000)).toBeNull()
    expect(spanOf(task({ started_at: new Date(60_000).toISOString() }), 60_000)).toBeNull()
  })

  it('has gaps in percent, cut at its ends', () => {
    const span = { startMs: 1000, endMs: 11_000 }
    expect(stretchesOf([gap(2000, 4500), gap(0, 2000), gap(9000, 99_000)], span)).toEqual([
      { left: 10, width: 25 },
      { left: 0, width: 10 },
      { left: 80, width: 20 },
    ])
  })

  it('measures gaps in seconds', () => {
    expect(gapSeconds(gap(1000, 6500))).toBe(5.5)
  })
})
