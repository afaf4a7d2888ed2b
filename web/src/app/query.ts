import { QueryClient } from '@tanstack/vue-query'
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
