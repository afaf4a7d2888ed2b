import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, call } from '@/api/client'
import { useSession } from '@/app/stores/session'
import type { Video } from './types'

/**
 * Sources to filter by. Operators choose from all; others from those of the videos that they see, because the list of
 * sources is not for everybody.
 */
export function useSourceOptions(videos: () => readonly Video[]) {
  const session = useSession()
  const all = useQuery({
    queryKey: ['sources', 'names'],
    queryFn: () => call(api.GET('/api/sources', { params: { query: { per_page: 200, sort: 'name' } } })),
    enabled: () => session.can('sources.read'),
  })
  return computed(() => {
    const named = all.data.value?.items ?? videos().map((video) => ({ id: video.source_id, name: video.source_name }))
    const unique = new Map(named.flatMap(({ id, name }) => (id === null ? [] : [[String(id), name] as const])))
    return [...unique].map(([value, label]) => ({ value, label }))
  })
}
