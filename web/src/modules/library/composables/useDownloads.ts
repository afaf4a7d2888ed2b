import { useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, call } from '@/api/client'
import type { Compatible, Video } from './types'
import { useAddress } from './useAddress'

const LOOK_EVERY_MS = 1000
const path = (id: number) => ({ params: { path: { id } } })

export interface OriginalFile {
  url: string
  size: number
}

/** Where to download a recording as it is. `files` are its parts where there are several, else there are none. */
export function useOriginal(video: Video) {
  const address = useAddress()
  const play = useQuery({
    queryKey: ['videos', 'download', video.id],
    queryFn: () => call(api.GET('/api/videos/{id}/play', path(video.id))),
    gcTime: 0,
  })
  const url = computed(() => address(play.data.value?.download_url))
  const parts = useQuery({
    queryKey: ['videos', 'files', url],
    queryFn: () => filesOf(url.value ?? '', video.title),
    enabled: () => url.value !== null,
    gcTime: 0,
  })
  const files = computed(() => parts.data.value ?? [])
  return { url, files, isPending: computed(() => play.isPending.value || parts.isPending.value), error: play.error }
}

/** A recording of several files is answered with 409 and their list. */
async function filesOf(url: string, title: string): Promise<OriginalFile[]> {
  if ((await fetch(url, { method: 'HEAD' })).status !== 409) return []
  const { files } = (await (await fetch(url)).json()) as { files: { name: string; size_bytes: number }[] }
  return files.map((file, index) => ({
    url: partUrl(url, file.name, `${title} ${String(index + 1)}`),
    size: file.size_bytes,
  }))
}

/** The address of one file of a recording, from the address of the whole. */
export function partUrl(url: string, name: string, title: string): string {
  const part = new URL(url)
  part.pathname = part.pathname.replace(/[^/]+$/, name)
  part.searchParams.set('download', title)
  return part.href
}

export const isBeingMade = (copy: Compatible | undefined): boolean => copy?.state === 'queued' || copy?.state === 'running'

/** The compatible MP4 of a video. It is asked for again every second while it is being made. */
export function useCompatible(video: Video) {
  const client = useQueryClient()
  const address = useAddress()
  const queryKey = ['videos', 'compatible', video.id]
  const copy = useQuery({
    queryKey,
    queryFn: () => call(api.GET('/api/videos/{id}/compatible', path(video.id))),
    enabled: !video.is_live,
    refetchInterval: (query) => (isBeingMade(query.state.data) ? LOOK_EVERY_MS : false),
    gcTime: 0,
  })
  const make = useMutation({
    mutationFn: () => call(api.POST('/api/videos/{id}/compatible', path(video.id))),
    onSuccess: (made) => client.setQueryData(queryKey, made),
  })
  return { copy, make, url: computed(() => address(copy.data.value?.download_url)) }
}
