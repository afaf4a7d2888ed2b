import type { Gap, Task } from './useTasks'

/** A stretch of the time line, in percent of its length. */
export interface Stretch {
  left: number
  width: number
}

/** From the start of a task to its end, or to now while it runs. */
export function spanOf(task: Task, nowMs: number): { startMs: number; endMs: number } | null {
  if (task.started_at === null) return null
  const startMs = Date.parse(task.started_at) - task.pre_roll_s * 1000
  const endMs = task.ended_at === null ? nowMs : Date.parse(task.ended_at)
  return endMs > startMs ? { startMs, endMs } : null
}

/** Where the gaps lie on the time line; what lies outside of it is cut off. */
export function stretchesOf(gaps: readonly Gap[], span: { startMs: number; endMs: number }): Stretch[] {
  const length = span.endMs - span.startMs
  const percent = (ms: number): number => (Math.min(Math.max(ms - span.startMs, 0), length) / length) * 100
  return gaps.map((gap) => {
    const left = percent(gap.start_ms)
    return { left, width: percent(gap.end_ms) - left }
  })
}

export const gapSeconds = (gap: Gap): number => (gap.end_ms - gap.start_ms) / 1000
