import type { components } from '@/api/generated/schema'

export type Source = components['schemas']['SourceView']
export type SourceStatus = components['schemas']['SourceStatus']
export type Protocol = Source['protocol']

export const PROTOCOLS: readonly Protocol[] = ['push', 'rtmp', 'hls', 'rtsp', 'srt', 'http-flv', 'test']
export const RECORD_MODES = ['manual', 'schedule', 'automatic'] as const
export const PULL_MODES = ['always', 'on_demand'] as const
export const VISIBILITIES = ['public', 'unlisted', 'members', 'private'] as const

/** What the light of a source says. `idle` and `waiting` are the two harmless ways of being offline. */
export const LIGHTS = [
  'live',
  'stalled',
  'grace',
  'connecting',
  'retrying',
  'failed',
  'waiting',
  'idle',
  'offline',
  'disabled',
  'unknown',
] as const
export type Light = (typeof LIGHTS)[number]
export type Tone = 'neutral' | 'brand' | 'success' | 'warning' | 'danger'

const TONES: Record<Light, Tone> = {
  live: 'success',
  stalled: 'warning',
  grace: 'warning',
  connecting: 'brand',
  retrying: 'warning',
  failed: 'danger',
  waiting: 'neutral',
  idle: 'neutral',
  offline: 'neutral',
  disabled: 'neutral',
  unknown: 'neutral',
}

export const toneOf = (light: Light): Tone => TONES[light]

/** Who may watch, in the colours of the lists of videos. */
export const VISIBILITY_TONES: Record<Source['visibility'], Tone> = {
  public: 'success',
  unlisted: 'neutral',
  members: 'brand',
  private: 'warning',
}

/** Whether a recording can begin: something comes in, or is fetched for the recording. */
export const canRecord = (source: Source, isOnline: boolean): boolean =>
  isOnline || (source.is_active && isPulled(source.protocol) && source.pull_mode === 'on_demand')

/** Whether a player has something to play or to wait for: it is on air, may come back, or is fetched for who watches. */
export const canBeWatched = (light: Light): boolean => ['live', 'stalled', 'grace', 'idle'].includes(light)

/** True for sources that are fetched from an address. */
export const isPulled = (protocol: Protocol): boolean => protocol !== 'push' && protocol !== 'test'

const isLight = (state: string): state is Light => (LIGHTS as readonly string[]).includes(state)

/** The light of a source: the server's state, told apart by why nothing comes in. */
export function lightOf(source: Source, status: SourceStatus | undefined): Light {
  if (!source.is_active) return 'disabled'
  if (!status) return 'unknown'
  if (status.state === 'offline') return offlineLight(source)
  return isLight(status.state) ? status.state : 'unknown'
}

function offlineLight(source: Source): Light {
  if (source.protocol === 'push') return 'waiting'
  return isPulled(source.protocol) && source.pull_mode === 'on_demand' ? 'idle' : 'offline'
}
