import { useMutation, useQuery } from '@tanstack/vue-query'
import { computed, ref } from 'vue'
import { api, call } from '@/api/client'

const ASK_EVERY_MS = 2000

/**
 * Has a compatible MP4 made, and follows the job. Only for people who manage videos. Jobs are told apart by time: the
 * newest one that was begun at or after the wish is ours or does the same.
 */
export function useCompatible(id: number) {
  const askedAt = ref<string | null>(null)
  const jobs = useQuery({
    queryKey: ['jobs', 'compatible', id, askedAt],
    queryFn: () => call(api.GET('/api/jobs', { params: { query: { kind: 'library.compatible', per_page: 20 } } })),
    enabled: () => askedAt.value !== null,
    refetchInterval: ASK_EVERY_MS,
  })
  const make = useMutation({
    mutationFn: () => call(api.POST('/api/videos/{id}/compatible', { params: { path: { id } } })),
    onSuccess: () => {
      askedAt.value = new Date().toISOString()
    },
  })
  const state = computed<'idle' | 'working' | 'done' | 'failed'>(() => {
    if (askedAt.value === null) return 'idle'
    const states = jobs.data.value?.items.map((job) => job.state) ?? []
    if (states.length === 0 || states.some((job) => job !== 'done' && job !== 'failed' && job !== 'cancelled')) return 'working'
    return states[0] === 'done' ? 'done' : 'failed'
  })
  return { make, state }
}
