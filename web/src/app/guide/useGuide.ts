import { useQuery } from '@tanstack/vue-query'
import { computed, ref, watch } from 'vue'
import { api, call } from '@/api/client'
import { useSession } from '@/app/stores/session'
import { recall, remember } from '@/lib/storage'

/** The way of a newcomer: see a picture, record it, watch that, send one's own. */
export const STEPS = ['source', 'record', 'watch', 'obs'] as const
export type StepKey = (typeof STEPS)[number]

/** What the server says of the way so far. */
export interface Progress {
  done: Record<StepKey, boolean>
  /** The source to go on with. */
  source: { id: number; name: string } | null
  /** The newest video. */
  video: number | null
}

/** `hidden`: put away by hand, can be had back; `finished`: every step is done, nothing is asked any more. */
type Choice = 'hidden' | 'finished' | null

const ASK_MS = 3000
const STORED = 'guide'
const choice = ref(recall(STORED) as Choice)

function choose(next: Choice): void {
  choice.value = next
  remember(STORED, next)
}

async function readProgress(): Promise<Progress> {
  const one = { per_page: 1 }
  const [sources, pushed, tasks, watched, newest] = await Promise.all([
    call(api.GET('/api/sources', { params: { query: { ...one, sort: 'id' } } })),
    call(api.GET('/api/sources', { params: { query: { ...one, protocol: 'push' } } })),
    call(api.GET('/api/tasks', { params: { query: { ...one, status: ['recording', 'completed', 'interrupted'] } } })),
    call(api.GET('/api/videos', { params: { query: { ...one, sort: '-view_count' } } })),
    call(api.GET('/api/videos', { params: { query: one } })),
  ])
  const done = {
    source: sources.total > 0,
    record: tasks.total > 0,
    watch: (watched.items[0]?.view_count ?? 0) > 0,
    obs: pushed.total > 0,
  }
  return { done, source: sources.items[0] ?? null, video: newest.items[0]?.id ?? null }
}

/** The first step that is not done; null when all are. */
export function nextStep(done: Progress['done']): StepKey | null {
  return STEPS.find((key) => !done[key]) ?? null
}

/** The first-run guide: where the newcomer stands is read from the server, so it goes on wherever it was left. */
export function useGuide() {
  const session = useSession()
  const isMeant = computed(() => session.can('sources.write') && session.can('recordings.write'))
  const isOpen = computed(() => isMeant.value && choice.value === null)
  const progress = useQuery({ queryKey: ['guide'], queryFn: readProgress, refetchInterval: ASK_MS, enabled: isOpen })
  const next = computed(() => (progress.data.value ? nextStep(progress.data.value.done) : null))
  watch(progress.data, (data) => {
    if (data && nextStep(data.done) === null) choose('finished')
  })
  return {
    progress: computed(() => (isOpen.value && next.value !== null ? progress.data.value : undefined)),
    next,
    refresh: () => progress.refetch(),
    mayReturn: computed(() => isMeant.value && choice.value === 'hidden'),
    hide: () => {
      choose('hidden')
    },
    show: () => {
      choose(null)
    },
  }
}
