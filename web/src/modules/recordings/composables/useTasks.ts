import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, call } from '@/api/client'
import type { components, paths } from '@/api/generated/schema'
import { taskVideo } from '@/api/taskVideo'
import { useListQuery } from '@/ui/useListQuery'

export type Task = components['schemas']['TaskView']
export type TaskPage = components['schemas']['Page_TaskView_']
export type Gap = components['schemas']['Gap']
export type TaskStatus = Task['status']
type TaskQuery = NonNullable<paths['/api/tasks']['get']['parameters']['query']>

export const STATUSES: readonly TaskStatus[] = ['pending', 'recording', 'completed', 'interrupted', 'failed']
export const TRIGGERS = ['manual', 'schedule', 'automatic'] as const

/** True while media may still arrive. */
export const isOpen = (status: TaskStatus): boolean => status === 'pending' || status === 'recording'

/** The task table: its filters in the address, its rows from the server. */
export function useTasks() {
  const list = useListQuery(['source_id', 'status', 'trigger'])
  const query = computed<TaskQuery>(() => ({
    source_id: Number(list.filters.source_id.value) || undefined,
    status: list.filters.status.value ? [list.filters.status.value as TaskStatus] : undefined,
    trigger: (list.filters.trigger.value || undefined) as Task['trigger'] | undefined,
    page: list.page.value,
  }))
  const tasks = useQuery({
    queryKey: ['tasks', 'list', query],
    queryFn: () => call(api.GET('/api/tasks', { params: { query: query.value } })),
    placeholderData: keepPreviousData,
  })
  return { ...list, tasks }
}

const MOST = 100

/** Sources to choose from, by name. */
export function useSourceNames() {
  const found = useQuery({
    queryKey: ['sources', 'names'],
    queryFn: () => call(api.GET('/api/sources', { params: { query: { per_page: MOST, sort: 'name' } } })),
  })
  return computed(() => (found.data.value?.items ?? []).map(({ id, name }) => ({ value: String(id), label: name })))
}

export function useStopTask() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (sourceId: number) =>
      call(api.POST('/api/sources/{id}/record/stop', { params: { path: { id: sourceId } } })),
    onSettled: () => Promise.all(['tasks', 'sources', 'videos'].map((key) => client.invalidateQueries({ queryKey: [key] }))),
  })
}

/** Path of the page of a task's video; of the list of the source's videos when it has none (any more). */
export async function findVideo(task: Task): Promise<string> {
  const { source_id: source } = task
  return (await taskVideo(task)) ?? (source === null ? '/admin/videos' : `/admin/videos?source_id=${String(source)}`)
}
