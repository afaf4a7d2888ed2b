import { useQueryClient } from '@tanstack/vue-query'
import { onBeforeUnmount } from 'vue'
import { live } from '@/api/live'
import { throttle } from '@/lib/throttle'
import { changesTasks, patchTasks, toTaskUpdate } from './patch'
import type { TaskPage } from './useTasks'

const RELOAD_MS = 1000
const LISTS = { queryKey: ['tasks', 'list'] }

/** Lets the rows of running tasks grow while the component lives; a new or ended task brings the lists anew. */
export function useLiveTasks(): void {
  const client = useQueryClient()
  const reload = throttle(() => void client.invalidateQueries({ queryKey: ['tasks'] }), RELOAD_MS)

  function take(data: unknown): void {
    const told = toTaskUpdate(data)
    if (told === null) return
    const { update, gaps } = told
    const pages = client.getQueriesData<TaskPage>(LISTS).map(([, page]) => page)
    if (changesTasks(pages, update, gaps)) reload()
    client.setQueriesData<TaskPage>(LISTS, (page) => page && patchTasks(page, update))
  }

  const stop = live.subscribe('tasks', {
    onMessage: (message) => {
      take(message.data)
    },
    onSubscribed: reload,
  })
  onBeforeUnmount(() => {
    stop()
    reload.cancel()
  })
}
