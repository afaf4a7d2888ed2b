import { onBeforeUnmount, ref, shallowRef, type Ref } from 'vue'
import type { Engine, EngineEvents, EngineOptions, Quality } from '../engines/engine'
import { startersFor } from '../engines/start'
import { isLiveMode, type Mode, type PlayerMedia, urlOf } from '../media'
import { retryPolicy } from '../retry'
import type { MediaElementState } from './useMediaState'

/** `unsupported`: this browser cannot play it; `failed`: it could not be loaded or decoded, three times over. */
export type Problem = 'unsupported' | 'failed'

interface Parts {
  element: Readonly<Ref<HTMLVideoElement | null>>
  media: () => PlayerMedia
  shown: MediaElementState
  /** It plays when it is told to. */
  still: boolean
}

/** Keeps one engine running in the video element, and begins anew when it fails. */
export function useEngine({ element, media, shown, still }: Parts) {
  const engine = shallowRef<Engine | null>(null)
  const problem = ref<Problem | null>(null)
  const isRetrying = ref(false)
  const qualities = shallowRef<Quality[]>([])
  const quality = ref(-1)
  const { goal, place, aim } = usePlace(element, shown)
  const retries = retryPolicy()
  let attempt = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  function stop(): void {
    attempt += 1
    clearTimeout(timer)
    engine.value?.destroy()
    engine.value = null
    qualities.value = []
    quality.value = -1
  }

  function eventsOf(mode: Mode, own: number): EngineEvents {
    return {
      onQualities: (found) => { if (own === attempt) qualities.value = found },
      onFailure: () => { if (own === attempt) again(mode) },
    }
  }

  function again(mode: Mode): void {
    const [at, rests] = [place(mode), element.value?.paused === true]
    stop()
    aim(at)
    const pause = retries.next()
    isRetrying.value = pause !== null
    if (pause === null) problem.value = 'failed'
    else timer = setTimeout(() => void start(mode, at, rests), pause)
  }

  async function start(mode: Mode, startAt: number | null, rests = still): Promise<void> {
    stop()
    aim(startAt)
    const own = attempt
    const [video, url] = [element.value, urlOf(media(), mode)]
    if (!video || url === null) return
    const options: EngineOptions = { url, startAt, isLive: media().isLive, lowLatency: mode === 'low-latency', isWindow: mode === 'shift' }
    const begun = await firstThatStarts(mode, video, options, eventsOf(mode, own), () => own === attempt)
    if (own !== attempt) return
    engine.value = begun
    isRetrying.value = false
    problem.value = begun === null ? 'unsupported' : null
    if (begun !== null && !rests && (await playAloud(video))) shown.state.silenced = true
  }

  function setQuality(index: number): void {
    quality.value = index
    engine.value?.setQuality(index)
  }

  onBeforeUnmount(stop)
  return { engine, problem, isRetrying, qualities, quality, goal, retries, place, start, stop, setQuality }
}

/** Where playing could go on, as `start` takes it; before the first picture, where it aims at. */
function usePlace(element: Readonly<Ref<HTMLVideoElement | null>>, { state, forget }: MediaElementState) {
  const goal = ref<number | null>(null)
  const place = (mode: Mode): number | null => (state.started ? placeIn(mode, element.value) : goal.value)
  function aim(startAt: number | null): void {
    goal.value = startAt
    forget()
  }
  return { goal, place, aim }
}

/** The playhead as `start` takes it: null for the live edge, seconds before it in a window. */
function placeIn(mode: Mode, video: HTMLVideoElement | null): number | null {
  if (!video || isLiveMode(mode)) return null
  if (mode !== 'shift') return video.currentTime
  const { seekable } = video
  return seekable.length > 0 ? video.currentTime - seekable.end(seekable.length - 1) : null
}

/** The first engine that can play it here; null when none can, or when `wanted` says that it is too late. */
async function firstThatStarts(
  mode: Mode, video: HTMLVideoElement, options: EngineOptions, events: EngineEvents, wanted: () => boolean,
): Promise<Engine | null> {
  for (const load of startersFor(mode, video)) {
    const starter = await load()
    if (!wanted()) return null
    const begun = starter(video, options, events)
    if (begun !== null) return begun
  }
  return null
}

/** Plays with sound; where the browser refuses that before the viewer has touched the page, without, which is told. */
async function playAloud(video: HTMLVideoElement): Promise<boolean> {
  const refused = await video.play().then(
    () => false,
    (error: unknown) => error instanceof DOMException && error.name === 'NotAllowedError',
  )
  if (!refused || video.muted) return false
  video.muted = true
  await video.play().catch(() => undefined)
  return true
}
