import { useQuery } from '@tanstack/vue-query'
import { computed, onBeforeUnmount, onMounted, shallowRef, triggerRef } from 'vue'
import { api, call } from '@/api/client'
import { live } from '@/api/live'
import type { SystemLoad } from '@/api/types'
import { loadToPoint, Series, toLoad } from './samples'

const STATUS_MS = 10_000
const STEP_MS = 10_000

/**
 * The machine, live: the load comes over the WebSocket; status (warnings, jobs, versions) is asked again every ten
 * seconds, which also carries the page when the WebSocket is down. Nothing is asked or drawn while the page is hidden.
 */
export function useSystem() {
  const series = shallowRef(new Series(STEP_MS))
  const latest = shallowRef<SystemLoad | null>(null)

  const status = useQuery({
    queryKey: ['system', 'status'],
    queryFn: async () => {
      const answer = await call(api.GET('/api/system/status'))
      take(answer)
      return answer
    },
    refetchInterval: STATUS_MS,
  })
  const history = useQuery({
    queryKey: ['system', 'history'],
    queryFn: async () => {
      const answer = await call(api.GET('/api/system/history'))
      series.value.load(answer)
      triggerRef(series)
      return answer.samples.length
    },
    gcTime: 0,
    staleTime: 0,
  })

  function take(load: SystemLoad): void {
    latest.value = load
    series.value.add(loadToPoint(load))
    triggerRef(series)
  }

  listenWhileVisible((data) => {
    const load = toLoad(data)
    if (load !== null) take(load)
  }, () => void history.refetch())

  const load = computed(() => latest.value ?? status.data.value ?? null)
  return { status, history, load, series }
}

/** Hears the topic `system` while the page is seen; calls `onReturn` when it is seen again. */
function listenWhileVisible(onData: (data: unknown) => void, onReturn: () => void): void {
  let stop: (() => void) | null = null

  function listen(): void {
    stop ??= live.subscribe('system', {
      onMessage: (message) => {
        onData(message.data)
      },
    })
  }
  function leave(): void {
    stop?.()
    stop = null
  }
  function look(): void {
    if (document.hidden) leave()
    else {
      onReturn()
      listen()
    }
  }

  onMounted(() => {
    if (!document.hidden) listen()
    document.addEventListener('visibilitychange', look)
  })
  onBeforeUnmount(() => {
    document.removeEventListener('visibilitychange', look)
    leave()
  })
}
