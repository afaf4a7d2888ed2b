import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import { api, call } from '@/api/client'
import type { components, paths } from '@/api/generated/schema'
import { useListQuery } from '@/ui/useListQuery'
import type { Protocol, Source } from './states'

type SourceQuery = NonNullable<paths['/api/sources']['get']['parameters']['query']>
export type NewSource = components['schemas']['SourceCreate']
export type SourceChange = components['schemas']['SourceUpdate']
export type MadeSource = components['schemas']['SourceCreated']

/** Status is asked again so often even when no live update comes. */
const POLL_MS = 5000
const path = (id: number) => ({ params: { path: { id } } })

/** The list of sources: its filters in the address, its rows from the server. */
export function useSources() {
  const list = useListQuery(['q', 'protocol', 'active'], 'name')
  const query = computed<SourceQuery>(() => ({
    q: list.filters.q.value || undefined,
    protocol: (list.filters.protocol.value || undefined) as Protocol | undefined,
    is_active: { yes: true, no: false }[list.filters.active.value],
    page: list.page.value,
    per_page: 24,
    sort: list.sort.value,
  }))
  const sources = useQuery({
    queryKey: ['sources', 'list', query],
    queryFn: () => call(api.GET('/api/sources', { params: { query: query.value } })),
    placeholderData: keepPreviousData,
  })
  return { ...list, sources }
}

/** What a source does now. */
export function useSourceStatus(source: () => Source) {
  return useQuery({
    queryKey: ['sources', 'status', computed(() => source().id)],
    queryFn: () => call(api.GET('/api/sources/{id}/status', path(source().id))),
    enabled: () => source().is_active,
    refetchInterval: POLL_MS,
  })
}

/** Number of videos that were recorded from a source; asks while `id` is not null. */
export function useVideoCount(id: Ref<number | null>) {
  return useQuery({
    queryKey: ['videos', 'count', id],
    queryFn: async () => {
      const found = await call(api.GET('/api/videos', { params: { query: { source_id: id.value ?? 0, per_page: 1 } } }))
      return found.total
    },
    enabled: () => id.value !== null,
  })
}

/** What an operator does to sources. Each refreshes what is shown of them. */
export function useSourceActions() {
  const client = useQueryClient()
  const onSuccess = () => client.invalidateQueries({ queryKey: ['sources'] })
  return {
    create: useMutation({ mutationFn: (body: NewSource) => call(api.POST('/api/sources', { body })), onSuccess }),
    update: useMutation({
      mutationFn: ({ id, ...body }: SourceChange & { id: number }) =>
        call(api.PUT('/api/sources/{id}', { ...path(id), body })),
      onSuccess,
    }),
    rotateKey: useMutation({ mutationFn: (id: number) => call(api.POST('/api/sources/{id}/key', path(id))), onSuccess }),
    remove: useMutation({
      mutationFn: ({ id, recordings }: { id: number; recordings: 'keep' | 'trash' }) =>
        call(api.DELETE('/api/sources/{id}', { params: { path: { id }, query: { recordings } } })),
      onSuccess: async () => {
        await Promise.all([onSuccess(), client.invalidateQueries({ queryKey: ['videos'] })])
      },
    }),
  }
}
