import { useI18n } from 'vue-i18n'

/** Names of acts for people; an act without a translation keeps its own (`users.update`). */
export function useAuditWords() {
  const { t, te } = useI18n()
  const actionName = (action: string): string => {
    const key = `audit.actions.${action.replace(/\W/g, '_')}`
    return te(key) ? t(key) : action
  }
  return { actionName }
}
