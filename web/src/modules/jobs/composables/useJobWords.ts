import { useI18n } from 'vue-i18n'

/** Names of kinds of jobs for people; a kind without a translation keeps its own. */
export function useJobWords() {
  const { t, te } = useI18n()
  const kindName = (kind: string): string => {
    const key = `jobs.kinds.${kind.replace(/\W/g, '_')}`
    return te(key) ? t(key) : kind
  }
  return { kindName }
}
