import { useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { api, call } from '@/api/client'
import type { components } from '@/api/generated/schema'

type NewToken = components['schemas']['ApiTokenCreate']

/** Where the signed-in person is signed in. */
export function useMySessions() {
  const client = useQueryClient()
  const onSuccess = () => client.invalidateQueries({ queryKey: ['my-sessions'] })
  return {
    sessions: useQuery({ queryKey: ['my-sessions'], queryFn: () => call(api.GET('/api/auth/sessions')) }),
    revoke: useMutation({
      mutationFn: (id: string) => call(api.DELETE('/api/auth/sessions/{session_id}', { params: { path: { session_id: id } } })),
      onSuccess,
    }),
    revokeOthers: useMutation({ mutationFn: () => call(api.POST('/api/auth/sessions/revoke-others')), onSuccess }),
  }
}

/** The keys for programs of the signed-in person. */
export function useMyTokens() {
  const client = useQueryClient()
  const onSuccess = () => client.invalidateQueries({ queryKey: ['my-tokens'] })
  return {
    tokens: useQuery({ queryKey: ['my-tokens'], queryFn: () => call(api.GET('/api/auth/tokens')) }),
    create: useMutation({ mutationFn: (body: NewToken) => call(api.POST('/api/auth/tokens', { body })), onSuccess }),
    remove: useMutation({
      mutationFn: (id: number) => call(api.DELETE('/api/auth/tokens/{id}', { params: { path: { id } } })),
      onSuccess,
    }),
  }
}
