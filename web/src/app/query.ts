import { QueryClient } from '@tanstack/vue-query'
import { watch } from 'vue'
import { ApiError } from '@/api/errors'

/** Repeats only what may pass by itself: a refusal stays a refusal. */
export function shouldRetry(failures: number, error: unknown): boolean {
  return failures < 2 && error instanceof ApiError && error.isTemporary && error.status !== 429
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { retry: shouldRetry, staleTime: 5000, networkMode: 'always' },
    mutations: { retry: false, networkMode: 'always' },
  },
})

/** When another person signs in, or nobody is signed in any more, what the last one saw is forgotten. */
export function forgetOnChange(who: () => number | undefined): void {
  watch(who, () => {
    queryClient.removeQueries({ predicate: (query) => query.queryKey[0] !== 'config' })
  })
}
