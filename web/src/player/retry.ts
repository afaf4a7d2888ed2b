/** How often a broken playback is begun anew before the viewer is told. */
export const RETRIES = 3
export const RETRY_PAUSE_MS = 3000
/** After so much undisturbed playing an old failure is forgotten. */
export const FORGIVEN_AFTER_S = 20

export interface RetryPolicy {
  /** Pause in ms before the next attempt; null when there were enough. */
  next: () => number | null
  /** Playing went on to `position` seconds. */
  played: (position: number) => void
  reset: () => void
}

export function retryPolicy(): RetryPolicy {
  let used = 0
  let since: number | null = null

  return {
    next: () => {
      since = null
      if (used >= RETRIES) return null
      used += 1
      return RETRY_PAUSE_MS
    },
    played: (position) => {
      if (since === null || position < since) since = position
      else if (position - since >= FORGIVEN_AFTER_S) used = 0
    },
    reset: () => {
      used = 0
      since = null
    },
  }
}
