import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import { api, call } from '@/api/client'
import type { JobQuery, JobState } from '@/api/types'
import { useListQuery } from '@/ui/useListQuery'

export const JOB_STATES: readonly JobState[] = ['scheduled', 'queued', 'waiting', 'running', 'done', 'failed', 'cancelled']

/** States that a job does not leave by itself. */
export const isOver = (state: JobState): boolean => state === 'done' || state === 'failed' || state === 'cancelled'

/** The job table: its filters in the address, its rows from the server. */
export function useJobs() {
  const list = useListQuery(['state', 'queue', 'kind'])
  const query = computed<JobQuery>(() => ({
    state: list.filters.state.value ? [list.filters.state.value as JobState] : undefined,
    queue: list.filters.queue.value || undefined,
    // Kinds have plain names; the server refuses a filter with other characters.
    kind: list.filters.kind.value.replace(/[^\w.-]/g, '') || undefined,
    page: list.page.value,
  }))
  const jobs = useQuery({
    queryKey: ['jobs', 'list', query],
    queryFn: () => call(api.GET('/api/jobs', { params: { query: query.value } })),
    placeholderData: keepPreviousData,
  })
  return { ...list, jobs }
}

/** One job with its log; asks for nothing while `id` is null. */
export function useJob(id: Ref<number | null>) {
  return useQuery({
    queryKey: ['jobs', 'one', id],
    queryFn: () => call(api.GET('/api/jobs/{id}', { params: { path: { id: id.value ?? 0 } } })),
    enabled: () => id.value !== null,
  })
}

const SLOW_MS = 10_000

/** Queues, workers and schedules change seldom: asked again every ten seconds while seen. */
export function useQueues() {
  return useQuery({ queryKey: ['jobs', 'queues'], queryFn: () => call(api.GET('/api/jobs/queues')), refetchInterval: SLOW_MS })
}

export function useWorkers() {
  return useQuery({ queryKey: ['jobs', 'workers'], queryFn: () => call(api.GET('/api/jobs/workers')), refetchInterval: SLOW_MS })
}

export function useSchedules() {
  return useQuery({
    queryKey: ['jobs', 'schedules'],
    queryFn: () => call(api.GET('/api/jobs/schedules')),
    refetchInterval: SLOW_MS,
  })
}

/** What a person does to jobs. Each refreshes the lists. */
export function useJobActions() {
  const client = useQueryClient()
  const onSuccess = () => client.invalidateQueries({ queryKey: ['jobs'] })
  const path = (id: number) => ({ params: { path: { id } } })
  return {
    retry: useMutation({ mutationFn: (id: number) => call(api.POST('/api/jobs/{id}/retry', path(id))), onSuccess }),
    cancel: useMutation({ mutationFn: (id: number) => call(api.POST('/api/jobs/{id}/cancel', path(id))), onSuccess }),
    selfTest: useMutation({
      mutationFn: (seconds: number) => call(api.POST('/api/jobs/selftest', { body: { seconds } })),
      onSuccess,
    }),
  }
}
