/** Plans that people pick by clicks, and the cron expressions that say the same. */

/** `0` is Sunday, as in crontab(5). */
export type Weekday = 0 | 1 | 2 | 3 | 4 | 5 | 6

export const REPEATS = ['daily', 'weekdays', 'weekly', 'once', 'expert'] as const
export type Repeat = (typeof REPEATS)[number]

/** The week as it is shown: Monday first. */
export const WEEK: readonly Weekday[] = [1, 2, 3, 4, 5, 6, 0]
const WORKDAYS = '1-5'

export interface Plan {
  repeat: Exclude<Repeat, 'once'>
  /** "19:30". */
  time: string
  days: Weekday[]
  /** The expression itself, for `expert`. */
  expression: string
}

export const DEFAULT_PLAN: Plan = { repeat: 'weekdays', time: '09:00', days: [1], expression: '0 9 * * *' }

/** The expression of a plan; empty while the plan is unfinished. */
export function toCron(plan: Plan): string {
  if (plan.repeat === 'expert') return plan.expression.trim()
  const clock = /^(\d{1,2}):(\d{2})/.exec(plan.time)
  if (!clock) return ''
  const start = `${String(Number(clock[2]))} ${String(Number(clock[1]))} * *`
  if (plan.repeat === 'daily') return `${start} *`
  if (plan.repeat === 'weekdays') return `${start} ${WORKDAYS}`
  return plan.days.length === 0 ? '' : `${start} ${[...plan.days].sort().join(',')}`
}

const SIMPLE = /^(\d{1,2}) (\d{1,2}) \* \* (\*|1-5|[0-7](?:,[0-7])*)$/

/** The plan that an expression says; one that the presets cannot say is for experts. */
export function fromCron(expression: string): Plan {
  const expert: Plan = { ...DEFAULT_PLAN, repeat: 'expert', expression }
  const [, minute, hour, days] = SIMPLE.exec(expression.trim().replace(/\s+/g, ' ')) ?? []
  if (minute === undefined || hour === undefined || days === undefined) return expert
  if (Number(minute) > 59 || Number(hour) > 23) return expert
  const plan = { ...expert, time: `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}` }
  if (days === '*') return { ...plan, repeat: 'daily' }
  if (days === WORKDAYS) return { ...plan, repeat: 'weekdays' }
  const chosen = new Set(days.split(',').map((day) => (Number(day) % 7) as Weekday))
  return { ...plan, repeat: 'weekly', days: WEEK.filter((day) => chosen.has(day)) }
}

/** Name of a weekday in the reader's language. */
export function weekdayName(day: Weekday, lang: string): string {
  // 4 January 1970 was a Sunday.
  const date = new Date(Date.UTC(1970, 0, 4 + day))
  return new Intl.DateTimeFormat(lang, { weekday: 'short', timeZone: 'UTC' }).format(date)
}
