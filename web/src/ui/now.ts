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
