import { onMounted, watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { api, call } from '@/api/client'
import { useProblem } from '@/ui/problem'
import { PROTOCOLS, type Protocol, type Source } from './states'

/** What an address may open at once: `?watch=7` the preview of a source, `?add=push` the form for a new one. */
export function useOpening(open: { preview: (source: Source) => void; add: (protocol: Protocol) => void }): void {
  const route = useRoute()
  const router = useRouter()
  const { showProblem } = useProblem()

  async function look(): Promise<void> {
    const { watch: wanted, add, ...rest } = route.query
    if (wanted === undefined && add === undefined) return
    await router.replace({ query: rest })
    const protocol = PROTOCOLS.find((known) => known === add)
    if (protocol) open.add(protocol)
    const id = Number(wanted)
    if (id > 0) open.preview(await call(api.GET('/api/sources/{id}', { params: { path: { id } } })))
  }
  const begin = (): void => {
    look().catch(showProblem)
  }

  onMounted(begin)
  watch(() => [route.query['watch'], route.query['add']], begin)
}
