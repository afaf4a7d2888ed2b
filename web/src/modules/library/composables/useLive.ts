import { useQuery } from '@tanstack/vue-query'
import { computed, ref, watch } from 'vue'
import { api, call } from '@/api/client'
import { usePublicConfig } from '@/app/stores/config'
import { liveMedia } from '@/player/liveMedia'
import type { Video } from './types'

const LIST_EVERY_MS = 10_000
const ONE_EVERY_MS = 5000
const path = (id: number) => ({ params: { path: { id } } })

/**
 * Live sources that can be watched now. One whose recording stands among `videos` is that video, which can be rewound:
 * `alone` are the others, `bySource` are all of them by their number.
 */
export function useLiveSources(videos: () => readonly Video[]) {
  const list = useQuery({
    queryKey: ['live', 'list'],
    queryFn: () => call(api.GET('/api/live')),
    refetchInterval: LIST_EVERY_MS,
  })
  const alone = computed(() => {
    const recorded = new Set(videos().map((video) => video.source_id))
    return (list.data.value ?? []).filter((source) => !recorded.has(source.id))
  })
  const bySource = computed(() => new Map((list.data.value ?? []).map((source) => [source.id, source])))
  return { alone, bySource }
}

/** One live source with what its player needs. */
export function useLiveSource(id: number) {
  const live = useQuery({
    queryKey: ['live', 'one', id],
    queryFn: () => call(api.GET('/api/live/{id}', path(id))),
    refetchInterval: ONE_EVERY_MS,
  })
  const isOn = computed(() => live.data.value?.is_live === true || live.data.value?.on_demand === true)
  const play = useQuery({
    queryKey: ['live', 'play', id],
    queryFn: () => call(api.GET('/api/sources/{id}/play', path(id))),
    enabled: isOn,
    // New addresses would begin the playback anew.
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  })
  const { data: config } = usePublicConfig()
  const media = computed(() => {
    const [source, addresses, server] = [live.data.value, play.data.value, config.value]
    if (!source || !addresses || !server) return null
    const { name: title, since, poster_url: poster } = source
    const facts = { title, isLive: isOn.value, since, readAtMs: play.dataUpdatedAt.value, poster }
    return liveMedia(addresses, facts, server)
  })
  return { live, play, media, session: useSessionNumber(() => live.data.value?.since) }
}

/** Another number for every session of a stream: with a new one playing begins anew. */
function useSessionNumber(since: () => string | null | undefined) {
  const number = ref(0)
  let known: string | null = null
  watch(since, (now) => {
    if (!now) return
    if (known !== null && now !== known) number.value += 1
    known = now
  }, { immediate: true })
  return number
}
