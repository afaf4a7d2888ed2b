import { useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, call } from '@/api/client'
import type { components } from '@/api/generated/schema'

export type OpenTask = components['schemas']['TaskView']
export type RecordWish = components['schemas']['RecordStart']

const POLL_MS = 10_000
const MOST = 100

/** Recordings that run now, by the number of their source. */
export function useOpenTasks() {
  const tasks = useQuery({
    queryKey: ['tasks', 'open'],
    queryFn: () => call(api.GET('/api/tasks', { params: { query: { status: ['pending', 'recording'], per_page: MOST } } })),
    refetchInterval: POLL_MS,
  })
  return computed(() => new Map<number | null, OpenTask>((tasks.data.value?.items ?? []).map((task) => [task.source_id, task])))
}

/** Start and stop. Sources, tasks and videos are asked again afterwards. */
export function useRecordActions() {
  const client = useQueryClient()
  const onSettled = () => Promise.all(['tasks', 'sources', 'videos'].map((key) => client.invalidateQueries({ queryKey: [key] })))
  const path = (id: number) => ({ params: { path: { id } } })
  return {
    start: useMutation({
      mutationFn: ({ id, ...body }: Partial<RecordWish> & { id: number }) =>
        call(api.POST('/api/sources/{id}/record/start', { ...path(id), body: { pre_roll_s: 0, ...body } })),
      onSettled,
    }),
    stop: useMutation({
      mutationFn: (id: number) => call(api.POST('/api/sources/{id}/record/stop', path(id))),
      onSettled,
    }),
  }
}
