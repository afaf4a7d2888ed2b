import { onBeforeUnmount, onMounted, type Ref, ref } from 'vue'

/** Below this a table of few columns has no room either. */
const NARROW_PX = 560

/** Whether a table has room in its frame. One that has none is drawn as cards, until the frame is wide enough again. */
export function useFits(frame: Readonly<Ref<HTMLElement | null>>, table: Readonly<Ref<HTMLElement | null>>): Ref<boolean> {
  const fits = ref(true)
  let neededPx = NARROW_PX

  function look(): void {
    if (!frame.value || !table.value) return
    const room = frame.value.clientWidth
    if (room === 0) return
    if (fits.value) neededPx = Math.max(NARROW_PX, table.value.offsetWidth > room ? table.value.offsetWidth : 0)
    fits.value = room >= neededPx
  }
  const observer = new ResizeObserver(look)
  onMounted(() => {
    for (const part of [frame.value, table.value]) if (part) observer.observe(part)
  })
  onBeforeUnmount(() => {
    observer.disconnect()
  })
  return fits
}
