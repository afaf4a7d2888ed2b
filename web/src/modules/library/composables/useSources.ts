import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, call } from '@/api/client'

/** Sources to filter by: those of the videos that the reader may see, or of the trash. */
export function useSourceOptions(trash: () => boolean) {
  const wanted = computed(trash)
  const found = useQuery({
    queryKey: ['videos', 'sources', wanted],
    queryFn: () => call(api.GET('/api/videos/sources', { params: { query: { trash: wanted.value } } })),
  })
  return computed(() => (found.data.value ?? []).map(({ id, name }) => ({ value: String(id), label: name })))
}
