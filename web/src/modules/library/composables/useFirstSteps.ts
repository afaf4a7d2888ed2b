import { useQueries } from '@tanstack/vue-query'
import { computed } from 'vue'
import { api, call } from '@/api/client'

/** A step of the first hour: done or not is read from the server, never guessed. */
export interface Step {
  key: 'system' | 'selftest' | 'people'
  to: string
  /** Null while it is not known. */
  done: boolean | null
}

/** The steps that a new administrator has before them. */
export function useFirstSteps() {
  const results = useQueries({
    queries: [
      { queryKey: ['users', 'first'], queryFn: () => call(api.GET('/api/users', { params: { query: { per_page: 1 } } })) },
      {
        queryKey: ['jobs', 'selftests'],
        queryFn: () =>
          call(api.GET('/api/jobs', { params: { query: { kind: 'jobs.selftest', state: ['done'], per_page: 1 } } })),
      },
      { queryKey: ['system', 'status'], queryFn: () => call(api.GET('/api/system/status')) },
    ],
  })
  return computed<Step[]>(() => {
    const [users, tests, system] = results.value
    return [
      { key: 'system', to: '/admin/system', done: system.data ? system.data.warnings.length === 0 : null },
      { key: 'selftest', to: '/admin/jobs', done: tests.data ? tests.data.total > 0 : null },
      { key: 'people', to: '/admin/users', done: users.data ? users.data.total > 1 : null },
    ]
  })
}
