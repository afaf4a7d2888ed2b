/** Wall-clock times in IANA zones. */

export const browserZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone

/** All zones that the browser knows, and `UTC`, which some leave out. */
export function zoneNames(): string[] {
  return [...new Set([...Intl.supportedValuesOf('timeZone'), browserZone(), 'UTC'])].sort()
}

const MINUTE_MS = 60_000

/** Offset of a zone from UTC at an instant, in ms, east positive. */
function offsetMs(instantMs: number, zone: string): number {
  return Date.parse(`${wallClock(new Date(instantMs), zone)}Z`) - Math.floor(instantMs / MINUTE_MS) * MINUTE_MS
}

/** "2026-05-01T19:30", as an input of type `datetime-local` wants it, of an instant in a zone. */
export function wallClock(instant: Date, zone: string): string {
  // Swedish writes dates as ISO 8601 does.
  const style = { timeZone: zone, dateStyle: 'short', timeStyle: 'short' } as const
  return new Intl.DateTimeFormat('sv-SE', style).format(instant).replace(' ', 'T')
}

/**
 * The instant at which the clocks of a zone show `wall` ("2026-05-01T19:30"), as ISO 8601 in UTC. A time that the
 * clocks skip in spring is taken as one hour later; null when `wall` is no time.
 */
export function toInstant(wall: string, zone: string): string | null {
  const asUtc = Date.parse(`${wall}Z`)
  if (Number.isNaN(asUtc)) return null
  const first = asUtc - offsetMs(asUtc, zone)
  const second = asUtc - offsetMs(first, zone)
  const isSkipped = wallClock(new Date(second), zone) !== wall.slice(0, 16)
  return new Date(isSkipped ? Math.max(first, second) : second).toISOString()
}

/** "Fri, May 1, 19:30" in a zone, with the year when it is not the present one there. */
export function formatRun(iso: string, zone: string, lang: string, nowMs: number = Date.now()): string {
  const at = new Date(iso)
  const style = { weekday: 'short', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
  const year = yearOf(at, zone) === yearOf(new Date(nowMs), zone) ? {} : ({ year: 'numeric' } as const)
  return new Intl.DateTimeFormat(lang, { ...style, ...year, timeZone: zone }).format(at)
}

/** The same run by the reader's own clocks; only the time where the day is the same. */
export function formatOwnRun(iso: string, zone: string, own: string, lang: string): string {
  const at = new Date(iso)
  if (dayOf(at, zone) !== dayOf(at, own)) return formatRun(iso, own, lang)
  const style = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
  return new Intl.DateTimeFormat(lang, { ...style, timeZone: own }).format(at)
}

const dayOf = (at: Date, zone: string): string => wallClock(at, zone).slice(0, 10)
const yearOf = (at: Date, zone: string): string => wallClock(at, zone).slice(0, 4)

/** Whether both zones show the same time at every one of the instants. */
export function showSameTimes(instants: readonly string[], one: string, other: string): boolean {
  return instants.every((iso) => wallClock(new Date(iso), one) === wallClock(new Date(iso), other))
}
