import { computed, onMounted, ref, watch, type Ref } from 'vue'
import { useNow } from '@/ui/now'
import { isLiveMode, type Mode, modesOf, type PlayerMedia, urlOf } from '../media'
import { arriving, isAtEdge, timelineOf } from '../timeline'
import { useEngine } from './useEngine'
import { useMediaState } from './useMediaState'
import { useSeeking } from './useSeeking'

const TICK_MS = 1000

export interface PlayerOptions {
  /** Second to begin at; null for the natural beginning. */
  startAt: number | null
  /** Shows the first picture and waits. */
  still?: boolean
}

/** All of a player but its looks. */
export function usePlayer(element: Readonly<Ref<HTMLVideoElement | null>>, media: () => PlayerMedia, options: PlayerOptions) {
  const shown = useMediaState(element)
  const { state, refresh } = shown
  const engine = useEngine({ element, media, shown, still: options.still === true })
  const modes = computed(() => modesOf(media()))
  const mode = ref<Mode>(options.startAt === null ? (modes.value[0] ?? 'start') : 'start')
  const now = useNow(TICK_MS)
  const latency = computed(() => (state.currentTime >= 0 && now.value > 0 ? (engine.engine.value?.latency() ?? null) : null))
  const timeline = computed(() => {
    const line = timelineOf(media(), { ...state, mode: mode.value, latency: latency.value }, now.value)
    return state.started ? line : arriving(line, mode.value, engine.goal.value)
  })
  const atEdge = computed(() => isAtEdge(mode.value, timeline.value))
  /** The live stream is over, and with it what could be shown at its edge and in its window. */
  const isOver = computed(() => mode.value !== 'start' && !media().isLive)

  async function begin(next: Mode, startAt: number | null): Promise<void> {
    mode.value = next
    if (isLiveMode(next)) setSpeed(1)
    await engine.start(next, startAt)
  }
  const { goLive, seek, rewind } = useSeeking({ element, media, state, modes, mode, timeline, begin })
  function toggle(): void {
    const video = element.value
    if (!video) return
    if (isOver.value) rewind(0)
    else if (!video.paused) video.pause()
    else if (engine.problem.value) retry()
    else void video.play().catch(() => undefined)
  }
  /** Also for what the element loads next: a connection that was lost, for instance. */
  function setSpeed(rate: number): void {
    if (element.value) Object.assign(element.value, { defaultPlaybackRate: rate, playbackRate: rate })
  }
  function retry(): void {
    engine.retries.reset()
    engine.problem.value = null
    void begin(mode.value, engine.place(mode.value))
  }

  onMounted(() => void begin(mode.value, options.startAt))
  watch(() => state.currentTime, (time) => {
    engine.retries.played(time)
  })
  // Fresh addresses for what is being played; another way of playing has begun by itself already.
  watch([() => urlOf(media(), mode.value), mode] as const, ([url, now], [before, then]) => {
    if (now === then && url !== null && before !== null && url !== before) retry()
  })
  watch(isOver, (over) => {
    if (!over) return
    engine.stop()
    element.value?.pause()
  })
  // Faster than life there is nothing to play at the live edge.
  watch(() => state.rate > 1 && !isLiveMode(mode.value) && atEdge.value, (catchesUp) => {
    if (catchesUp) setSpeed(1)
  })

  return { state, refresh, ...engine, modes, mode, timeline, latency, atEdge, isOver, begin, goLive, seek, setSpeed, toggle, retry }
}

export type Player = ReturnType<typeof usePlayer>
