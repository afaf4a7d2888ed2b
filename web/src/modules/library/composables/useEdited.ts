import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { api, call } from '@/api/client'

/** The video whose sheet is open: its number is in the address (`?edit=12`), so that other pages can link to it. */
export function useEdited() {
  const route = useRoute()
  const router = useRouter()
  const id = computed(() => Number(route.query['edit']) || null)
  const video = useQuery({
    queryKey: ['videos', 'one', id],
    queryFn: () => call(api.GET('/api/videos/{id}', { params: { path: { id: id.value ?? 0 } } })),
    enabled: () => id.value !== null,
  })
  const edited = computed(() => (id.value === null ? null : (video.data.value ?? null)))
  const isOpen = computed({
    get: () => edited.value !== null,
    set: (open) => {
      if (open) return
      void router.replace({ query: { ...route.query, edit: undefined } })
    },
  })
  return { edited, isOpen }
}
