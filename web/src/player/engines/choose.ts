/** Which engine plays HLS in this browser. */

export interface Abilities {
  hasMediaSource: boolean
  hasManagedMediaSource: boolean
  /** The video element says that it plays HLS by itself. */
  playsHls: boolean
}

/**
 * hls.js wherever it can work. The browser's own player is trusted only in Safari (ManagedMediaSource) and where there
 * is nothing else: Chromium's rejects byte ranges and knows no low latency.
 */
export function hlsEngines(abilities: Abilities): ('hls.js' | 'native')[] {
  const { hasMediaSource, hasManagedMediaSource, playsHls } = abilities
  const byScript = hasMediaSource || hasManagedMediaSource
  const byBrowser = playsHls && (hasManagedMediaSource || !byScript)
  return [...(byScript ? (['hls.js'] as const) : []), ...(byBrowser ? (['native'] as const) : [])]
}

export function abilitiesOf(video: HTMLVideoElement): Abilities {
  return {
    hasMediaSource: 'MediaSource' in window,
    hasManagedMediaSource: 'ManagedMediaSource' in window,
    playsHls: video.canPlayType('application/vnd.apple.mpegurl') !== '',
  }
}
