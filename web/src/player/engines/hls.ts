/** HLS and LL-HLS by hls.js; loaded when the first video is played. */
import Hls, { type HlsConfig } from 'hls.js/light'
import { beginInWindow, type Engine, type EngineEvents, type EngineOptions, type EngineStarter } from './engine'

/** The player retries as a whole, so a single load gives up soon. */
const LOAD = {
  default: {
    maxTimeToFirstByteMs: 10_000,
    maxLoadTimeMs: 20_000,
    timeoutRetry: { maxNumRetry: 1, retryDelayMs: 0, maxRetryDelayMs: 0 },
    errorRetry: { maxNumRetry: 2, retryDelayMs: 700, maxRetryDelayMs: 2000 },
  },
}

export function configFor(options: EngineOptions): Partial<HlsConfig> {
  const common = { manifestLoadPolicy: LOAD, playlistLoadPolicy: LOAD, fragLoadPolicy: LOAD, backBufferLength: 60 }
  if (options.lowLatency) return { ...common, lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.1, liveDurationInfinity: true }
  if (options.isWindow) return { ...common, lowLatencyMode: false, liveDurationInfinity: true }
  return { ...common, lowLatencyMode: false, startPosition: options.startAt ?? 0, maxBufferLength: 30, maxMaxBufferLength: 90 }
}

export const startHls: EngineStarter = (video, options, events) => {
  if (!Hls.isSupported()) return null
  const hls = new Hls(configFor(options))
  video.disableRemotePlayback = true // a ManagedMediaSource opens only without it
  listen(hls, events)
  const giveUp = beginInWindow(video, options)
  hls.loadSource(options.url)
  hls.attachMedia(video)
  return engineOf(hls, options, giveUp)
}

function listen(hls: Hls, events: EngineEvents): void {
  let recovered = false
  hls.on(Hls.Events.MANIFEST_PARSED, (_event, data) => {
    events.onQualities(data.levels.map(({ height, bitrate }, index) => ({ index, height, bitrate })))
  })
  hls.on(Hls.Events.ERROR, (_event, data) => {
    if (!data.fatal) return
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !recovered) {
      recovered = true
      hls.recoverMediaError()
    } else events.onFailure(data.details)
  })
}

/** How much of what came before counts beside the newest piece. */
const KEPT_SHARE = 0.8

/** Bits per second of the media that came lately; null before the first. */
function measureBitrate(hls: Hls): () => number | null {
  let [bits, lasted_s] = [0, 0]
  hls.on(Hls.Events.FRAG_BUFFERED, (_event, { frag, part, stats }) => {
    bits = bits * KEPT_SHARE + stats.loaded * 8
    lasted_s = lasted_s * KEPT_SHARE + (part ?? frag).duration
  })
  return () => (lasted_s > 0 ? bits / lasted_s : null)
}

function engineOf(hls: Hls, options: EngineOptions, giveUp: () => void): Engine {
  const bitrate = measureBitrate(hls)
  return {
    name: 'hls.js',
    latency: () => (options.lowLatency && hls.latency > 0 ? hls.latency : null),
    bitrate,
    setQuality: (index) => {
      hls.nextLevel = index
    },
    destroy: () => {
      giveUp()
      hls.destroy()
    },
  }
}
