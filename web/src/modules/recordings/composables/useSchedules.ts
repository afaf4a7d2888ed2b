import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import { api, call } from '@/api/client'
import type { components, paths } from '@/api/generated/schema'
import { useListQuery } from '@/ui/useListQuery'

export type Schedule = paths['/api/schedules/{id}']['get']['responses'][200]['content']['application/json']
export type NewSchedule = components['schemas']['ScheduleCreate']
export type ScheduleChange = components['schemas']['ScheduleUpdate']

export const OVERLAPS = ['skip', 'extend'] as const
export const MISSED = ['start_late', 'skip'] as const
/** Runs happen on the server: their outcome is asked for so often while the page is seen. */
const POLL_MS = 10_000

/** The list of schedules: its filter in the address, its rows from the server. */
export function useSchedules() {
  const list = useListQuery(['source_id'])
  const query = computed(() => ({ source_id: Number(list.filters.source_id.value) || undefined, page: list.page.value }))
  const schedules = useQuery({
    queryKey: ['schedules', 'list', query],
    queryFn: () => call(api.GET('/api/schedules', { params: { query: query.value } })),
    placeholderData: keepPreviousData,
    refetchInterval: POLL_MS,
  })
  return { ...list, schedules }
}

/** What an expression means, said by the server; asks while it is not empty. */
export function useCronPreview(expression: Ref<string>, zone: Ref<string>) {
  return useQuery({
    queryKey: ['schedules', 'preview', expression, zone],
    queryFn: () =>
      call(api.GET('/api/schedules/preview', { params: { query: { cron_expr: expression.value, timezone: zone.value } } })),
    enabled: () => expression.value !== '' && zone.value !== '',
    placeholderData: keepPreviousData,
  })
}

/** What an operator does to schedules. Each refreshes the list. */
export function useScheduleActions() {
  const client = useQueryClient()
  const onSuccess = () => client.invalidateQueries({ queryKey: ['schedules'] })
  const path = (id: number) => ({ params: { path: { id } } })
  return {
    create: useMutation({ mutationFn: (body: NewSchedule) => call(api.POST('/api/schedules', { body })), onSuccess }),
    update: useMutation({
      mutationFn: ({ id, ...body }: ScheduleChange & { id: number }) =>
        call(api.PUT('/api/schedules/{id}', { ...path(id), body })),
      onSuccess,
    }),
    remove: useMutation({ mutationFn: (id: number) => call(api.DELETE('/api/schedules/{id}', path(id))), onSuccess }),
  }
}
