import { useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, call } from '@/api/client'
import type { components } from '@/api/generated/schema'
import { formatStamp } from '@/lib/format'
import type { Source } from './states'

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

/** Name and time by the clocks of whoever presses the button; the server knows only its own. */
const titleOf = (name: string, at: Date): string => `${name} ${formatStamp(at)}`

/** Start and stop. Sources, tasks and videos are asked again afterwards. */
export function useRecordActions() {
  const client = useQueryClient()
  const onSettled = () => Promise.all(['tasks', 'sources', 'videos'].map((key) => client.invalidateQueries({ queryKey: [key] })))
  const path = (id: number) => ({ params: { path: { id } } })
  return {
    start: useMutation({
      mutationFn: ({ source, title, ...body }: Partial<RecordWish> & { source: Source }) => {
        const wish = { pre_roll_s: 0, ...body, title: title ?? titleOf(source.name, new Date()) }
        return call(api.POST('/api/sources/{id}/record/start', { ...path(source.id), body: wish }))
      },
      onSettled,
    }),
    stop: useMutation({
      mutationFn: (id: number) => call(api.POST('/api/sources/{id}/record/stop', path(id))),
      onSettled,
    }),
  }
}
