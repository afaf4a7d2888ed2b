import { onBeforeUnmount, onMounted, ref } from 'vue'

const IDLE_MS = 2600

/** True after a while without a movement; `stir` tells of one. */
export function useIdle() {
  const isIdle = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined

  function stir(): void {
    isIdle.value = false
    clearTimeout(timer)
    timer = setTimeout(() => {
      isIdle.value = true
    }, IDLE_MS)
  }
  function rest(): void {
    clearTimeout(timer)
    isIdle.value = true
  }
  onMounted(stir)
  onBeforeUnmount(() => {
    clearTimeout(timer)
  })
  return { isIdle, stir, rest }
}
