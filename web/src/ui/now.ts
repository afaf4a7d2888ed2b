import { useIntervalFn } from '@/ui/interval'
import { ref, type Ref } from 'vue'

/** The present time in ms, moving every `stepMs` while the page is seen. */
export function useNow(stepMs = 15_000): Ref<number> {
  const now = ref(Date.now())
  useIntervalFn(() => {
    now.value = Date.now()
  }, stepMs)
  return now
}

/**
 * An event as it is told of at `nowMs`, which may be some seconds old: one that has happened is never said to come, not
 * even when the clock of the server is ahead of the reader's.
 */
export function presentFor(iso: string, nowMs: number, isFuture: boolean): number {
  const present = Math.max(nowMs, Date.now())
  return isFuture ? present : Math.max(present, Date.parse(iso))
}
