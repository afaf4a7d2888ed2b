import { useI18n } from 'vue-i18n'
import { ApiError } from '@/api/errors'
import { notify } from './notify'

/** Turns errors into sentences for the reader: the server's own where it gave one, else ours. */
export function useProblem() {
  const { t } = useI18n()

  function sentence(error: unknown): string {
    if (!(error instanceof ApiError)) return t('ui.problem.unexpected')
    if (error.status === 0) return t('ui.problem.network')
    return error.detail ?? t(error.status >= 500 ? 'ui.problem.server' : 'ui.problem.refused')
  }

  function showProblem(error: unknown): void {
    notify('error', sentence(error))
  }

  return { sentence, showProblem }
}
