/** What is played, and how. Addresses are absolute. */

export interface PlayerMedia {
  title: string
  /** HLS from the beginning: the finished recording, or one that still grows. */
  vodUrl: string | null
  /** LL-HLS at the live edge. */
  liveUrl: string | null
  /** HTTP-FLV at the live edge. */
  flvUrl: string | null
  posterUrl: string | null
  storyboardUrl: string | null
  isLive: boolean
  /** Length in seconds when these facts were read. */
  duration: number
  /** When these facts were read, in ms since 1970. */
  readAtMs: number
}

/** `start`: HLS from the beginning; `low-latency`: LL-HLS; `flv`: HTTP-FLV. */
export type Mode = 'low-latency' | 'flv' | 'start'

const LIVE_MODES: readonly Mode[] = ['low-latency', 'flv']

/** The ways in which the media can be played, the best first. */
export function modesOf(media: PlayerMedia): Mode[] {
  const live = media.isLive ? LIVE_MODES.filter((mode) => urlOf(media, mode) !== null) : []
  return media.vodUrl === null ? live : [...live, 'start']
}

export function urlOf(media: PlayerMedia, mode: Mode): string | null {
  return { 'low-latency': media.liveUrl, flv: media.flvUrl, start: media.vodUrl }[mode]
}

/** True at the live edge, false when playing what is already written. */
export function isLiveMode(mode: Mode): boolean {
  return mode !== 'start'
}
