import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, call } from '@/api/client'
import type { components } from '@/api/generated/schema'
import type { Role, UserQuery } from '@/api/types'
import { useListQuery } from '@/ui/useListQuery'

export const ROLES: readonly Role[] = ['admin', 'operator', 'instructor', 'member']

/** The user table: its filters in the address, its rows from the server. */
export function useUsers() {
  const list = useListQuery(['q', 'role', 'active'], 'username')
  const query = computed<UserQuery>(() => ({
    q: list.filters.q.value || undefined,
    role: (list.filters.role.value || undefined) as Role | undefined,
    is_active: { yes: true, no: false }[list.filters.active.value],
    page: list.page.value,
    sort: list.sort.value,
  }))
  const users = useQuery({
    queryKey: ['users', 'list', query],
    queryFn: () => call(api.GET('/api/users', { params: { query: query.value } })),
    placeholderData: keepPreviousData,
  })
  return { ...list, users }
}

type NewUser = components['schemas']['UserCreate']
type UserChange = components['schemas']['UserUpdate']

/** Everything that an administrator does to an account. Each refreshes the table. */
export function useUserActions() {
  const client = useQueryClient()
  const onSuccess = () => client.invalidateQueries({ queryKey: ['users'] })
  const path = (id: number) => ({ params: { path: { id: id } } })

  return {
    create: useMutation({ mutationFn: (body: NewUser) => call(api.POST('/api/users', { body })), onSuccess }),
    update: useMutation({
      mutationFn: ({ id, ...body }: UserChange & { id: number }) => call(api.PUT('/api/users/{id}', { ...path(id), body })),
      onSuccess,
    }),
    remove: useMutation({ mutationFn: (id: number) => call(api.DELETE('/api/users/{id}', path(id))), onSuccess }),
    setPassword: useMutation({
      mutationFn: ({ id, new_password }: { id: number; new_password: string }) =>
        call(api.POST('/api/users/{id}/password', { ...path(id), body: { new_password } })),
    }),
    signOutEverywhere: useMutation({
      mutationFn: (id: number) => call(api.POST('/api/users/{id}/sessions/revoke', path(id))),
    }),
  }
}
