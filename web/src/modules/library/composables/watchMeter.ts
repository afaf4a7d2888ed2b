/** How long a video has really been watched: time in which it played, not where its playhead is. */

/** A longer silence than this was no playing: the tab slept. */
const GAP_S = 2

export interface WatchMeter {
  /** To be called several times a second while the video is there. */
  tick: (nowMs: number, paused: boolean) => void
  /** Seconds watched in all. */
  total: () => number
  /** Whole seconds watched since the last call. */
  take: () => number
}

export function watchMeter(): WatchMeter {
  let before: number | null = null
  let total = 0
  let taken = 0

  return {
    tick: (nowMs, paused) => {
      const passed = before === null ? 0 : (nowMs - before) / 1000
      if (passed > 0 && passed <= GAP_S) total += passed
      before = paused ? null : nowMs
    },
    total: () => total,
    take: () => {
      const seconds = Math.floor(total - taken)
      taken += seconds
      return seconds
    },
  }
}
