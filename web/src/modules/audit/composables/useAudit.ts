import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, call } from '@/api/client'
import type { AuditQuery } from '@/api/types'
import { dayEnd, dayStart } from '@/lib/days'
import { useListQuery } from '@/ui/useListQuery'

/** The audit log: its filters in the address, its rows from the server. */
export function useAudit() {
  const list = useListQuery(['actor', 'action', 'target', 'from', 'to'])
  const { actor, action, target, from, to } = list.filters
  const query = computed<AuditQuery>(() => ({
    actor: actor.value || undefined,
    action: action.value || undefined,
    target: target.value || undefined,
    from: dayStart(from.value),
    to: dayEnd(to.value),
    page: list.page.value,
  }))
  const entries = useQuery({
    queryKey: ['audit', query],
    queryFn: () => call(api.GET('/api/audit', { params: { query: query.value } })),
    placeholderData: keepPreviousData,
  })
  return { ...list, entries }
}
