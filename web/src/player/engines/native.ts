import { beginInWindow, type EngineStarter } from './engine'

/** The browser's own HLS player. */
export const startNative: EngineStarter = (video, options, events) => {
  const fail = (): void => {
    events.onFailure(`media error ${String(video.error?.code ?? 0)}`)
  }
  const begin = (): void => {
    if (!options.isWindow && options.startAt !== null) video.currentTime = options.startAt
  }
  video.addEventListener('error', fail)
  video.addEventListener('loadedmetadata', begin, { once: true })
  const giveUp = beginInWindow(video, options)
  video.src = options.url
  return {
    name: 'native',
    latency: () => null,
    bitrate: () => null,
    setQuality: () => undefined,
    destroy: () => {
      giveUp()
      video.removeEventListener('error', fail)
      video.removeEventListener('loadedmetadata', begin)
      video.removeAttribute('src')
      video.load()
    },
  }
}
