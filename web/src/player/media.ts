/** What is played, and how. Addresses are absolute. */

export interface PlayerMedia {
  title: string
  /** HLS from the beginning: the finished recording, or one that still grows. */
  vodUrl: string | null
  /** LL-HLS at the live edge. */
  liveUrl: string | null
  /** HTTP-FLV at the live edge. */
  flvUrl: string | null
  /** The time-shift window of a stream that nobody records. */
  shift: TimeShift | null
  posterUrl: string | null
  storyboardUrl: string | null
  isLive: boolean
  /** Length in seconds when these facts were read. */
  duration: number
  /** When these facts were read, in ms since 1970. */
  readAtMs: number
}

/** How far viewers can go back in a stream that nobody records. */
export interface TimeShift {
  /** HLS of the whole window. */
  url: string
  /** Seconds that the window holds at most. */
  limitS: number
  /** Since when there is something in it, in ms since 1970. */
  sinceMs: number
}

/** `start`: HLS from the beginning; `shift`: HLS of the time-shift window; `low-latency`: LL-HLS; `flv`: HTTP-FLV. */
export type Mode = 'low-latency' | 'flv' | 'shift' | 'start'

const LIVE_MODES: readonly Mode[] = ['low-latency', 'flv']

/** The ways in which the media can be played, the best first. */
export function modesOf(media: PlayerMedia): Mode[] {
  const live = media.isLive ? LIVE_MODES.filter((mode) => urlOf(media, mode) !== null) : []
  const rewound = rewoundMode(media)
  return rewound === null ? live : [...live, rewound]
}

/** In which way what is already over can be watched; null when it cannot. */
export function rewoundMode(media: PlayerMedia): Mode | null {
  if (media.vodUrl !== null) return 'start'
  return media.isLive && media.shift !== null ? 'shift' : null
}

export function urlOf(media: PlayerMedia, mode: Mode): string | null {
  return { 'low-latency': media.liveUrl, flv: media.flvUrl, shift: media.shift?.url ?? null, start: media.vodUrl }[mode]
}

/** True at the live edge, false when playing what is already written. */
export function isLiveMode(mode: Mode): boolean {
  return LIVE_MODES.includes(mode)
}
