import { useI18n } from 'vue-i18n'

/** Names of kinds and stages of jobs for people; one without a translation keeps its own. */
export function useJobWords() {
  const { t, te } = useI18n()

  function translated(group: 'kinds' | 'stages', name: string): string {
    const key = `jobs.${group}.${name.replace(/\W/g, '_')}`
    return te(key) ? t(key) : name
  }

  return {
    kindName: (kind: string) => translated('kinds', kind),
    stageName: (stage: string) => translated('stages', stage),
  }
}
