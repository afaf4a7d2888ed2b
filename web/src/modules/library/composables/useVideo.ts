import { useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, call } from '@/api/client'
import type { PlayerMedia } from '@/player/media'
import type { BatchAction, Play, Video, VideoChange } from './types'
import { useAddress } from './useAddress'

const GROWS_EVERY_MS = 5000
const path = (id: number) => ({ params: { path: { id } } })

/** One video with what its player needs. While it is live it is asked again every few seconds. */
export function useVideo(id: number) {
  const video = useQuery({
    queryKey: ['videos', 'one', id],
    queryFn: () => call(api.GET('/api/videos/{id}', path(id))),
    refetchInterval: (query) => (query.state.data?.is_live ? GROWS_EVERY_MS : false),
  })
  const play = useQuery({
    queryKey: ['videos', 'play', id],
    queryFn: () => call(api.GET('/api/videos/{id}/play', path(id))),
    // New addresses would begin the playback anew.
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  })
  const address = useAddress()
  const media = computed(() =>
    video.data.value && play.data.value ? mediaOf(video.data.value, play.data.value, video.dataUpdatedAt.value, address) : null,
  )
  return { video, play, media }
}

function mediaOf(video: Video, play: Play, readAtMs: number, address: ReturnType<typeof useAddress>): PlayerMedia | null {
  const vodUrl = address(play.hls_url)
  if (vodUrl === null) return null
  return {
    title: video.title,
    vodUrl,
    liveUrl: address(play.live_url, 'live'),
    flvUrl: address(play.flv_url, 'live'),
    shift: null,
    posterUrl: address(video.poster_url),
    storyboardUrl: address(video.storyboard_url),
    isLive: video.is_live,
    duration: video.duration,
    readAtMs,
  }
}

/** Everything that is done to videos. Each refreshes all lists of videos. */
export function useVideoActions() {
  const client = useQueryClient()
  const onSuccess = () => {
    void client.invalidateQueries({ queryKey: ['videos', 'list'] })
    void client.invalidateQueries({ queryKey: ['videos', 'one'] })
    void client.invalidateQueries({ queryKey: ['videos', 'sources'] })
    void client.invalidateQueries({ queryKey: ['videos', 'retention'] })
  }
  return {
    update: useMutation({
      mutationFn: ({ id, ...body }: VideoChange & { id: number }) => call(api.PUT('/api/videos/{id}', { ...path(id), body })),
      onSuccess,
    }),
    batch: useMutation({
      mutationFn: (body: { ids: number[]; action: BatchAction }) => sendBatch(body.ids, body.action),
      onSuccess,
    }),
    setPoster: useMutation({
      mutationFn: ({ id, time_s }: { id: number; time_s: number }) =>
        call(api.POST('/api/videos/{id}/poster', { ...path(id), body: { time_s } })),
      onSuccess,
    }),
  }
}

function sendBatch(ids: number[], action: BatchAction) {
  return call(api.POST('/api/videos/batch', { body: { ids, action } }))
}
