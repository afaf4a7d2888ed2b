import { isPulled, type Protocol, type Source } from './states'
import type { NewSource, SourceChange } from './useSources'

/** What the form holds. Numbers may be empty while somebody types. */
export interface SourceEntry {
  name: string
  protocol: Protocol
  url: string
  retention_days: number | undefined
  is_active: boolean
  record_mode: Source['record_mode']
  pull_mode: Source['pull_mode']
  grace_s: number | undefined
  time_shift_min: number | undefined
  visibility: Source['visibility']
}

const DEFAULTS = { retention_days: 365, grace_s: 30 }

export function emptyEntry(protocol: Protocol = 'push', name = ''): SourceEntry {
  return {
    name,
    protocol,
    url: '',
    retention_days: DEFAULTS.retention_days,
    is_active: true,
    record_mode: 'manual',
    pull_mode: 'always',
    grace_s: DEFAULTS.grace_s,
    time_shift_min: 0,
    visibility: 'private',
  }
}

export function entryOf(source: Source): SourceEntry {
  const { name, protocol, retention_days, is_active, record_mode, pull_mode, grace_s, visibility } = source
  const common = { name, protocol, retention_days, is_active, record_mode, pull_mode, grace_s, visibility }
  return { ...common, url: source.url ?? '', time_shift_min: Math.round(source.time_shift_s / 60) }
}

/** The body of a new source. */
export function toCreate(entry: SourceEntry): NewSource {
  const { time_shift_min, ...rest } = entry
  return {
    ...rest,
    name: entry.name.trim(),
    url: isPulled(entry.protocol) ? entry.url.trim() : null,
    pull_mode: isPulled(entry.protocol) ? entry.pull_mode : 'always',
    retention_days: entry.retention_days ?? DEFAULTS.retention_days,
    grace_s: entry.grace_s ?? DEFAULTS.grace_s,
    time_shift_s: (time_shift_min ?? 0) * 60,
  }
}

/**
 * The body of a change. An address that nobody touched is left out: the one shown lacks its password, and sending it
 * back would lose that.
 */
export function toUpdate(entry: SourceEntry, before: Source): SourceChange {
  const { url, ...rest } = toCreate(entry)
  const isUntouched = url === before.url && entry.protocol === before.protocol
  return isUntouched ? rest : { ...rest, url }
}

/** Begin of the address that a protocol wants; shown as an example. */
export const EXAMPLES: Partial<Record<Protocol, string>> = {
  rtmp: 'rtmp://203.0.113.7/live/hall',
  hls: 'https://203.0.113.7/live/hall.m3u8',
  rtsp: 'rtsp://user:password@203.0.113.7:554/stream1',
  srt: 'srt://203.0.113.7:9000?streamid=hall',
  'http-flv': 'http://203.0.113.7:8080/live/hall.flv',
}
