import { onBeforeUnmount, reactive, watch, type Ref } from 'vue'

export interface Range {
  start: number
  end: number
}

/** What the media element says about itself. */
export interface MediaState {
  paused: boolean
  /** Has shown its first picture. */
  started: boolean
  /** Wants to play but has nothing to show. */
  waiting: boolean
  ended: boolean
  currentTime: number
  duration: number
  seekableStart: number
  seekableEnd: number
  buffered: Range[]
  volume: number
  muted: boolean
  /** Muted because the browser refused to play aloud; not any more once the viewer has done anything about it. */
  silenced: boolean
  rate: number
  width: number
  height: number
}

const EVENTS = [
  'play', 'pause', 'playing', 'waiting', 'stalled', 'seeking', 'seeked', 'ended', 'timeupdate', 'progress', 'canplay',
  'loadedmetadata', 'loadeddata', 'durationchange', 'volumechange', 'ratechange', 'resize', 'emptied',
] as const

function rangesOf(ranges: TimeRanges): Range[] {
  return Array.from({ length: ranges.length }, (_, index) => ({ start: ranges.start(index), end: ranges.end(index) }))
}

function read(video: HTMLVideoElement): Omit<MediaState, 'started' | 'waiting' | 'silenced'> {
  const { paused, ended, currentTime, duration, volume, muted, playbackRate, videoWidth, videoHeight } = video
  const { seekable } = video
  const [seekableStart, seekableEnd] = seekable.length > 0 ? [seekable.start(0), seekable.end(seekable.length - 1)] : [0, 0]
  const buffered = rangesOf(video.buffered)
  return {
    paused, ended, currentTime, duration, volume, muted, buffered,
    seekableStart,
    seekableEnd: Number.isFinite(seekableEnd) ? seekableEnd : 0,
    rate: playbackRate,
    width: videoWidth,
    height: videoHeight,
  }
}

/**
 * Follows a media element as reactive state. It tells of a change a little later: `refresh` asks it now, `forget` when
 * it has got something else to show.
 */
export function useMediaState(element: Readonly<Ref<HTMLVideoElement | null>>) {
  const state = reactive<MediaState>({
    paused: true, started: false, waiting: false, ended: false, currentTime: 0, duration: NaN, seekableStart: 0,
    seekableEnd: 0, buffered: [], volume: 1, muted: false, silenced: false, rate: 1, width: 0, height: 0,
  })

  function refresh(): void {
    if (element.value) Object.assign(state, read(element.value))
  }
  function forget(): void {
    state.started = false
    refresh()
  }
  function sync(event: Event): void {
    const video = event.currentTarget as HTMLVideoElement
    Object.assign(state, read(video))
    if (event.type === 'playing' || event.type === 'loadeddata') state.started = true
    if (event.type === 'emptied') state.started = false
    state.waiting = !video.paused && !video.ended && video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA
  }
  function detach(video: HTMLVideoElement | null): void {
    EVENTS.forEach((name) => video?.removeEventListener(name, sync))
  }

  watch(element, (video, before) => {
    detach(before ?? null)
    EVENTS.forEach((name) => video?.addEventListener(name, sync))
  }, { immediate: true, flush: 'post' })
  watch([() => state.muted, () => state.volume] as const, ([muted, volume], [, before]) => {
    if (!muted || volume !== before) state.silenced = false
  })
  onBeforeUnmount(() => {
    detach(element.value)
  })
  return { state, refresh, forget }
}

export type MediaElementState = ReturnType<typeof useMediaState>
