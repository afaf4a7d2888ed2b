import { onMounted, watch, type Ref } from 'vue'
import { recall, remember } from '@/lib/storage'
import type { MediaState } from './useMediaState'

/** Steps up and down again lead back to nothing, and not to a hair more. */
const rounded = (volume: number): number => Math.round(volume * 1000) / 1000

/** The loudness, which this browser remembers. `quiet` players start silent and remember nothing. */
export function useVolume(element: Readonly<Ref<HTMLVideoElement | null>>, state: MediaState, quiet: boolean) {
  function set(volume: number): void {
    const video = element.value
    if (!video) return
    video.volume = Math.min(1, Math.max(0, rounded(volume)))
    video.muted = video.volume === 0
    if (!quiet) remember('volume', String(video.volume))
  }
  function toggleMute(): void {
    const video = element.value
    if (!video) return
    if (video.muted && video.volume === 0) set(0.5)
    else video.muted = !video.muted
  }
  function begin(video: HTMLVideoElement | null): void {
    if (!video) return
    const stored = Number(recall('volume') ?? 1)
    video.volume = stored > 0 && stored <= 1 ? stored : 1
    video.muted = quiet
  }
  onMounted(() => {
    begin(element.value)
  })
  watch(element, begin)
  return { set, louder: (by: number) => { set((state.muted ? 0 : state.volume) + by) }, toggleMute }
}
