import { DEFAULT_PLAN, fromCron, toCron, type Plan, type Repeat } from './cron'
import type { NewSchedule, Schedule } from './useSchedules'
import { browserZone, toInstant, wallClock } from './zones'

/** What the form holds. */
export interface ScheduleEntry extends Omit<Plan, 'repeat'> {
  source: string
  name: string
  repeat: Repeat
  /** Wall clock of the one run, in `timezone`. */
  at: string
  hours: number | undefined
  minutes: number | undefined
  timezone: string
  overlap: Schedule['overlap']
  missed: Schedule['missed']
  is_active: boolean
}

const HOUR_S = 3600

export function emptySchedule(source: string, nowMs: number): ScheduleEntry {
  const timezone = browserZone()
  const inAnHour = wallClock(new Date(nowMs + HOUR_S * 1000), timezone)
  const rules = { overlap: 'skip', missed: 'start_late', is_active: true } as const
  return { ...DEFAULT_PLAN, days: [...DEFAULT_PLAN.days], ...rules, source, name: '', at: inAnHour, hours: 1, minutes: 0, timezone }
}

export function entryOfSchedule(schedule: Schedule, nowMs: number): ScheduleEntry {
  const { name, timezone, overlap, missed, is_active, duration_s } = schedule
  const empty = emptySchedule(String(schedule.source_id), nowMs)
  const length = { hours: Math.floor(duration_s / HOUR_S), minutes: Math.ceil((duration_s % HOUR_S) / 60) }
  const common = { ...empty, name, timezone, overlap, missed, is_active, ...length }
  if (schedule.cron_expr !== null) return { ...common, ...fromCron(schedule.cron_expr) }
  return { ...common, repeat: 'once', at: schedule.run_at ? wallClock(new Date(schedule.run_at), timezone) : common.at }
}

/** The expression that the entry says; empty for one run, and while it is unfinished. */
export function expressionOf(entry: ScheduleEntry): string {
  return entry.repeat === 'once' ? '' : toCron({ ...entry, repeat: entry.repeat })
}

export const durationOf = (entry: ScheduleEntry): number => (entry.hours ?? 0) * HOUR_S + (entry.minutes ?? 0) * 60

/** The body for the server, of a new schedule or a change. */
export function toBody(entry: ScheduleEntry): NewSchedule {
  const { timezone, overlap, missed, is_active } = entry
  return {
    source_id: Number(entry.source),
    name: entry.name.trim(),
    cron_expr: entry.repeat === 'once' ? null : expressionOf(entry),
    run_at: entry.repeat === 'once' ? toInstant(entry.at, timezone) : null,
    duration_s: durationOf(entry),
    timezone,
    overlap,
    missed,
    is_active,
  }
}
