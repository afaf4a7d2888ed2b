/** Days of the reader's calendar (`2026-01-31`, from a date field) as instants in UTC (RFC 3339). */

function midnight(day: string, addDays: number): Date | null {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day)
  if (!parts) return null
  const date = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + addDays)
  return Number.isNaN(date.getTime()) ? null : date
}

/** First instant of the day; undefined for anything that is no day. */
export function dayStart(day: string): string | undefined {
  return midnight(day, 0)?.toISOString()
}

/** The instant after the day's last one, for ranges that do not include their end; undefined for no day. */
export function dayEnd(day: string): string | undefined {
  return midnight(day, 1)?.toISOString()
}
