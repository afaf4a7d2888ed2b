import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue, watch } from 'vue'
import { api, call } from '@/api/client'
import { dayEnd, dayStart } from '@/lib/days'
import { useListQuery } from '@/ui/useListQuery'
import type { Video, VideoQuery } from './types'
import { durationLimits } from './words'

const GRID = 24
const LIVE_EVERY_MS = 10_000
const LIST_EVERY_MS = 30_000

export const listVideos = (query: VideoQuery) => call(api.GET('/api/videos', { params: { query } }))

/** What is live now. Asked again and again: somebody may have begun. What has ended is among the newest at once. */
export function useLiveVideos() {
  const client = useQueryClient()
  const live = useQuery({
    queryKey: ['videos', 'list', 'live'],
    queryFn: () => listVideos({ is_live: true, per_page: GRID }),
    refetchInterval: LIVE_EVERY_MS,
  })
  watch(() => live.data.value?.items.map(({ id }) => id), (now, before) => {
    if (before?.some((id) => !now?.includes(id))) void client.invalidateQueries({ queryKey: LATEST })
  })
  return live
}

const LATEST = ['videos', 'list', 'latest']

/** The newest recordings, page by page. */
export function useLatestVideos() {
  return useInfiniteQuery({
    queryKey: LATEST,
    queryFn: ({ pageParam }) => listVideos({ is_live: false, page: pageParam, per_page: GRID }),
    initialPageParam: 1,
    getNextPageParam: (last) => (last.page < last.pages ? last.page + 1 : undefined),
  })
}

const RELATED = 13

/** Other videos of the same source; the newest of all where it has no other. */
export function useRelatedVideos(id: number, sourceId: MaybeRefOrGetter<number | null | undefined>) {
  const source = computed(() => toValue(sourceId))
  return useQuery({
    queryKey: ['videos', 'list', 'related', source],
    queryFn: () => relatedTo(source.value ?? null),
    enabled: () => source.value !== undefined,
    select: (videos) => videos.filter((video) => video.id !== id).slice(0, RELATED - 1),
  })
}

async function relatedTo(sourceId: number | null): Promise<Video[]> {
  const own = sourceId === null ? [] : (await listVideos({ source_id: sourceId, per_page: RELATED })).items
  return own.length > 1 ? own : (await listVideos({ per_page: RELATED })).items
}

const FILTERS = ['q', 'source', 'type', 'length', 'from', 'to'] as const

/** A filtered list of videos with its filters in the address: the search page and the administration share it. */
export function useVideoList(perPage: number, extra: () => VideoQuery = () => ({})) {
  const list = useListQuery(FILTERS, '-created_at')
  const value = (name: (typeof FILTERS)[number]): string => list.filters[name].value
  const query = computed<VideoQuery>(() => ({
    q: value('q') || undefined,
    source_id: Number(value('source')) || undefined,
    source_type: { recorded: 'recorded', uploaded: 'uploaded' }[value('type')] as VideoQuery['source_type'],
    is_live: value('type') === 'live' ? true : undefined,
    created_from: dayStart(value('from')),
    created_to: dayEnd(value('to')),
    ...durationLimits(value('length')),
    sort: list.sort.value,
    page: list.page.value,
    per_page: perPage,
    ...extra(),
  }))
  const videos = useQuery({
    queryKey: ['videos', 'list', query],
    queryFn: () => listVideos(query.value),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.items.some((video) => video.is_live) ? LIVE_EVERY_MS : LIST_EVERY_MS),
  })
  return { ...list, videos }
}
