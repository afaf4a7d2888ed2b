import { useQueryClient } from '@tanstack/vue-query'
import { onBeforeUnmount } from 'vue'
import { live } from '@/api/live'
import { throttle } from '@/lib/throttle'

/** Bit rates change all the time: what is shown is asked again at most this often. */
const RELOAD_MS = 2000

/** Keeps status and running recordings up to date while the component lives. */
export function useLiveSources(): void {
  const client = useQueryClient()
  const reload = (key: string[]) => throttle(() => void client.invalidateQueries({ queryKey: key }), RELOAD_MS)
  const reloadStatus = reload(['sources', 'status'])
  const reloadTasks = reload(['tasks', 'open'])
  const stops = [
    live.subscribe('sources', { onMessage: reloadStatus, onSubscribed: reloadStatus }),
    live.subscribe('tasks', { onMessage: reloadTasks, onSubscribed: reloadTasks }),
  ]
  onBeforeUnmount(() => {
    for (const stop of stops) stop()
    reloadStatus.cancel()
    reloadTasks.cancel()
  })
}
