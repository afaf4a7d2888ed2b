/** Numbers and times as people read them. All take the language tag (`zh-CN`, `zh-TW`, `en`). */

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const
const SECOND_MS = 1000

/** Sizes with binary prefixes (IEC 80000-13): 1536 → "1.5 KiB". */
export function formatBytes(bytes: number, lang: string): string {
  let value = Math.max(0, bytes)
  let unit = 0
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1
  return `${new Intl.NumberFormat(lang, { maximumFractionDigits: digits }).format(value)} ${BYTE_UNITS[unit] ?? 'B'}`
}

/** Network speed in bits per second, as operators count it. */
export function formatBitrate(bytesPerS: number, lang: string): string {
  return withDecimalPrefix(bytesPerS * 8, 'bit/s', lang)
}

/** Speed of a disk. */
export function formatByteRate(bytesPerS: number, lang: string): string {
  return withDecimalPrefix(bytesPerS, 'B/s', lang)
}

const DECIMAL_PREFIXES = ['', 'k', 'M', 'G', 'T'] as const

function withDecimalPrefix(value: number, unit: string, lang: string): string {
  const power = value < 1 ? 0 : Math.min(DECIMAL_PREFIXES.length - 1, Math.floor(Math.log10(value) / 3))
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 }).format(Math.max(0, value) / 1000 ** power)
  return `${number} ${DECIMAL_PREFIXES[power] ?? ''}${unit}`
}

/** `percent` runs from 0 to 100. */
export function formatPercent(percent: number, lang: string): string {
  return new Intl.NumberFormat(lang, { style: 'percent', maximumFractionDigits: 0 }).format(percent / 100)
}

/** Date and time to the second, in the reader's time zone. */
export function formatDateTime(iso: string, lang: string): string {
  return new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(iso))
}

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
]

/** "3 minutes ago", "in 2 hours". */
export function formatRelative(iso: string, lang: string, nowMs: number = Date.now()): string {
  const seconds = Math.round((new Date(iso).getTime() - nowMs) / SECOND_MS)
  const formatter = new Intl.RelativeTimeFormat(lang, { numeric: 'auto' })
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return formatter.format(Math.trunc(seconds / length), unit)
  }
  return formatter.format(Math.trunc(seconds), 'second')
}

/** Clock form of a length: 3661 → "1:01:01", 75 → "1:15", 4.2 → "4.2 s". */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.floor(seconds)
  const parts = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60]
  const shown = parts[0] === 0 ? parts.slice(1) : parts
  return shown.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}

const LENGTHS = [
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

/** A planned length in words: 5400 → "1 hour 30 minutes". */
export function formatLength(seconds: number, lang: string): string {
  let left = Math.max(0, Math.floor(seconds))
  const parts: string[] = []
  for (const [unit, length] of LENGTHS) {
    const count = Math.floor(left / length)
    left -= count * length
    if (count > 0 || (unit === 'second' && parts.length === 0)) {
      parts.push(new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'long' }).format(count))
    }
  }
  return parts.join(' ')
}

/** "2026-05-01 19:30" by the reader's clocks, for names. */
export function formatStamp(at: Date): string {
  // Swedish writes dates as ISO 8601 does.
  return new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'short' }).format(at)
}

/** Seconds between two instants; the second one is now when it is null. */
export function secondsBetween(start: string, end: string | null, nowMs: number = Date.now()): number {
  return Math.max(0, ((end === null ? nowMs : Date.parse(end)) - Date.parse(start)) / SECOND_MS)
}
