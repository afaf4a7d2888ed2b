/** Small texts about videos. */

/** The server counts up to here; more is "10000+". */
export const COUNTED_UP_TO = 10_000

export function formatTotal(total: number): string {
  return total > COUNTED_UP_TO ? `${String(COUNTED_UP_TO)}+` : String(total)
}

/** 1234 → "1.2K", in Chinese 12345 → "1.2万". */
export function formatCount(count: number, lang: string): string {
  return new Intl.NumberFormat(lang, { notation: 'compact', maximumFractionDigits: 1 }).format(count)
}

/** Limits of a filter by length, in seconds. */
export function durationLimits(choice: string): { min_duration?: number; max_duration?: number } {
  switch (choice) {
    case 'short': return { max_duration: 599 }
    case 'medium': return { min_duration: 600, max_duration: 3600 }
    case 'long': return { min_duration: 3601 }
    default: return {}
  }
}

/** A second from the address (`?t=90`); null for anything else. */
export function secondOf(text: unknown): number | null {
  return typeof text === 'string' && /^\d{1,8}$/.test(text) ? Number(text) : null
}

const ENDS_S = 10

/** Where to go on: at the wished second, else where the viewer stopped, unless that is the very beginning or end. */
export function resumeAt(wished: number | null, last: number, duration: number): number | null {
  if (wished !== null) return wished
  return last >= ENDS_S && last < duration - ENDS_S ? last : null
}
