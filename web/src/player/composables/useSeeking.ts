import type { ComputedRef, Ref } from 'vue'
import { isLiveMode, type Mode, type PlayerMedia, rewoundMode } from '../media'
import { seekTarget, type Timeline } from '../timeline'
import type { MediaState } from './useMediaState'

interface Parts {
  element: Readonly<Ref<HTMLVideoElement | null>>
  media: () => PlayerMedia
  state: MediaState
  modes: ComputedRef<Mode[]>
  mode: Readonly<Ref<Mode>>
  timeline: ComputedRef<Timeline>
  begin: (mode: Mode, startAt: number | null) => Promise<void>
}

/** Goes to another place: within what plays, back from the live edge, or to it. */
export function useSeeking({ element, media, state, modes, mode, timeline, begin }: Parts) {
  async function goLive(): Promise<void> {
    const live = modes.value.find(isLiveMode)
    if (live !== undefined && mode.value !== live) await begin(isLiveMode(mode.value) ? mode.value : live, null)
    await element.value?.play().catch(() => undefined)
  }
  function seek(wished: number): void {
    const target = seekTarget(media(), timeline.value, wished)
    if (target === 'live') void goLive()
    else if (isLiveMode(mode.value) || !state.started) rewind(target)
    else if (element.value) element.value.currentTime = reachable(target)
  }
  function rewind(second: number): void {
    const rewound = rewoundMode(media())
    if (rewound !== null) void begin(rewound, rewound === 'shift' ? second - timeline.value.length : second)
  }
  /** A growing playlist ends a little before the recording does. */
  function reachable(second: number): number {
    const wished = mode.value === 'shift' ? state.seekableStart + second : second
    return state.seekableEnd > 1 ? Math.min(wished, state.seekableEnd - 0.1) : wished
  }
  return { goLive, seek, rewind }
}
