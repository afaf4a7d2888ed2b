import { useQuery } from '@tanstack/vue-query'
import { api, call } from '@/api/client'

/** What the server tells everybody about itself: version, open registration, media addresses. */
export function usePublicConfig() {
  return useQuery({ queryKey: ['config'], queryFn: () => call(api.GET('/api/config')), staleTime: Infinity })
}
