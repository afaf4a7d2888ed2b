import { computed, type ComputedRef, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/**
 * Filters, sort order and page number of a list, kept in the address: reload, back and a shared link show the same.
 * A changed filter goes back to the first page.
 */
export function useListQuery<Name extends string>(names: readonly Name[], defaultSort?: string) {
  const route = useRoute()
  const router = useRouter()

  function read(name: string): string {
    const value = route.query[name]
    return typeof value === 'string' ? value : ''
  }

  function write(changes: Record<string, string>): void {
    const query = Object.fromEntries(Object.entries({ ...route.query, ...changes }).filter(([, value]) => value !== ''))
    void router.replace({ query })
  }

  const filters = Object.fromEntries(
    names.map((name) => [
      name,
      computed({
        get: () => read(name),
        set: (value) => {
          write({ [name]: value, page: '' })
        },
      }),
    ]),
  ) as Record<Name, WritableComputedRef<string>>

  const page = computed({
    get: () => Math.max(1, Math.trunc(Number(read('page'))) || 1),
    set: (value) => {
      write({ page: value === 1 ? '' : String(value) })
    },
  })

  const sort = computed({
    get: () => read('sort') || (defaultSort ?? ''),
    set: (value) => {
      write({ sort: value === defaultSort ? '' : value, page: '' })
    },
  })

  const isFiltered: ComputedRef<boolean> = computed(() => names.some((name) => read(name) !== ''))

  function reset(): void {
    write(Object.fromEntries([...names, 'page'].map((name) => [name, ''])))
  }

  return { filters, page, sort, isFiltered, reset }
}
