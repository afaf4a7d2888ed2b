import { computed } from 'vue'
import { useI18n } from 'vue-i18n'
import { ApiError } from '@/api/errors'

/** Why somebody may not watch: `members` can be helped by signing in. */
export type Refusal = 'members' | 'missing'

const KINDS: Record<number, Refusal> = { 401: 'members', 403: 'missing', 404: 'missing' }

/** Tells a refusal from other trouble, with a title for the window. */
export function useRefusal(error: () => Error | null) {
  const { t } = useI18n()
  const kind = computed<Refusal | null>(() => {
    const found = error()
    return found instanceof ApiError ? (KINDS[found.status] ?? null) : null
  })
  const title = computed(() => (kind.value === null ? undefined : t(`library.video.${kind.value}Title`)))
  return { kind, title }
}
