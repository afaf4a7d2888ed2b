/** HTTP-FLV by mpegts.js; loaded when somebody chooses it. */
import mpegts from 'mpegts.js'
import type { EngineStarter } from './engine'
import { flvClock, stampOf } from './flvClock'

const CONFIG = {
  enableWorker: false, // its worker is built from its own source text, which a bundler changes
  enableStashBuffer: false,
  lazyLoad: false,
  liveSync: true,
  liveSyncMaxLatency: 3,
  liveSyncTargetLatency: 1,
  autoCleanupSourceBuffer: true,
}

/** Asks the server to say when keyframes came to it. */
function clocked(address: string): string {
  const url = new URL(address)
  url.searchParams.set('clock', '1')
  return url.href
}

export const startFlv: EngineStarter = (video, options, events) => {
  if (!mpegts.getFeatureList().mseLivePlayback) return null
  mpegts.LoggingControl.enableAll = false
  const player = mpegts.createPlayer({ type: 'flv', isLive: true, cors: true, url: clocked(options.url) }, CONFIG)
  let bitrate: number | null = null
  player.on(mpegts.Events.STATISTICS_INFO, (facts: { speed?: number }) => {
    bitrate = typeof facts.speed === 'number' && facts.speed > 0 ? facts.speed * 8192 : bitrate
  })
  const clock = flvClock()
  player.on(mpegts.Events.SCRIPTDATA_ARRIVED, (data: unknown) => {
    const stamp = stampOf(data)
    if (stamp) clock.note(stamp, Date.now())
  })
  player.on(mpegts.Events.ERROR, (_type: string, detail: string) => {
    events.onFailure(detail)
  })
  player.on(mpegts.Events.LOADING_COMPLETE, () => {
    events.onFailure('ended')
  })
  player.attachMediaElement(video)
  player.load()
  return {
    name: 'mpegts.js',
    latency: () => clock.latency(video.currentTime, Date.now()),
    bitrate: () => bitrate,
    setQuality: () => undefined,
    destroy: () => {
      player.destroy()
    },
  }
}
