import { onBeforeUnmount, onMounted } from 'vue'

/** Calls `act` every `stepMs` while the component lives and the page is seen, and at once when it is seen again. */
export function useIntervalFn(act: () => void, stepMs: number): void {
  let timer: ReturnType<typeof setInterval> | undefined

  function start(): void {
    stop()
    timer = setInterval(act, stepMs)
  }
  function stop(): void {
    clearInterval(timer)
  }
  function look(): void {
    if (document.hidden) stop()
    else {
      act()
      start()
    }
  }

  onMounted(() => {
    if (!document.hidden) start()
    document.addEventListener('visibilitychange', look)
  })
  onBeforeUnmount(() => {
    stop()
    document.removeEventListener('visibilitychange', look)
  })
}
