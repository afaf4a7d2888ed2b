import { useQueryClient } from '@tanstack/vue-query'
import { onBeforeUnmount } from 'vue'
import { live } from '@/api/live'
import type { JobDetail, JobPage } from '@/api/types'
import { throttle } from '@/lib/throttle'
import { changesLists, patchDetail, patchPage, toJobUpdate } from './patch'

const RELOAD_MS = 1000
const LISTS = { queryKey: ['jobs', 'list'] }
const DETAILS = { queryKey: ['jobs', 'one'] }

/**
 * Keeps all that is shown of jobs up to date while the component lives: progress is written into the rows as it
 * comes; lists, counts and logs are asked again, at most once a second, when a job is new or changes its state.
 */
export function useLiveJobs(): void {
  const client = useQueryClient()
  const reload = throttle(() => void client.invalidateQueries({ queryKey: ['jobs'] }), RELOAD_MS)
  const reloadDetail = throttle(() => void client.invalidateQueries(DETAILS), RELOAD_MS)

  function take(data: unknown): void {
    const update = toJobUpdate(data)
    if (update === null) return
    const pages = client.getQueriesData<JobPage>(LISTS).map(([, page]) => page)
    if (changesLists(pages, update)) reload()
    else reloadDetail()
    client.setQueriesData<JobPage>(LISTS, (page) => page && patchPage(page, update))
    client.setQueriesData<JobDetail>(DETAILS, (detail) => detail && patchDetail(detail, update))
  }

  const stop = live.subscribe('jobs', {
    onMessage: (message) => {
      take(message.data)
    },
    onSubscribed: reload,
  })
  onBeforeUnmount(() => {
    stop()
    reload.cancel()
    reloadDetail.cancel()
  })
}
