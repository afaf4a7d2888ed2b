/** What plays a stream in a video element. One engine is one attempt; it is thrown away when that fails. */

export interface Quality {
  /** Number for `setQuality`. */
  index: number
  /** Pixels; 0 when unknown. */
  height: number
  /** Bits per second. */
  bitrate: number
}

export interface EngineEvents {
  /** This attempt is over. */
  onFailure: (reason: string) => void
  onQualities: (qualities: Quality[]) => void
}

export interface EngineOptions {
  url: string
  isLive: boolean
  lowLatency: boolean
  /** A time-shift window: its beginning moves on, so places in it are counted from the live edge, backwards. */
  isWindow: boolean
  /** Where to begin, in seconds (negative in a window); null for the natural beginning: the live edge, or 0. */
  startAt: number | null
}

export interface Engine {
  /** How it is called in the statistics. */
  readonly name: 'hls.js' | 'mpegts.js' | 'native'
  /** Seconds behind the live edge; null when nobody knows. */
  latency: () => number | null
  /** Bits per second of what is played; null when unknown. */
  bitrate: () => number | null
  /** -1 chooses by itself. */
  setQuality: (index: number) => void
  destroy: () => void
}

export type EngineStarter = (video: HTMLVideoElement, options: EngineOptions, events: EngineEvents) => Engine | null

/** What is older than this within a window is about to leave it. */
const LEAVES_S = 4

/** Goes to where a window is to begin as soon as it is known; the edge is where it begins by itself. Returns how to give up. */
export function beginInWindow(video: HTMLVideoElement, { isWindow, startAt }: EngineOptions): () => void {
  const go = (): void => {
    const { seekable } = video
    if (!isWindow || startAt === null || seekable.length === 0) return
    video.currentTime = Math.max(seekable.start(0) + LEAVES_S, seekable.end(seekable.length - 1) + startAt)
  }
  video.addEventListener('loadedmetadata', go, { once: true })
  return () => {
    video.removeEventListener('loadedmetadata', go)
  }
}

/** Seconds from the playhead to the end of what is buffered. */
export function bufferedAhead(video: HTMLVideoElement): number {
  for (let index = video.buffered.length - 1; index >= 0; index -= 1) {
    if (video.buffered.start(index) <= video.currentTime + 0.1) {
      return Math.max(0, video.buffered.end(index) - video.currentTime)
    }
  }
  return 0
}
