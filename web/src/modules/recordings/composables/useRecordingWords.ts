import { useI18n } from 'vue-i18n'
import type { Task } from './useTasks'

/** Codes of the server for people. */
export function useRecordingWords() {
  const { t, te } = useI18n()

  /** Why a task ended or stands still; the server's own words for a code that is new. */
  function errorOf(task: Task): string | null {
    if (task.error_code === null) return null
    const key = `recordings.errors.${task.error_code}`
    return te(key) ? t(key) : (task.error_message ?? task.error_code)
  }

  /** What became of the last run of a schedule: an outcome, or the code of an error. */
  function resultOf(result: string): string {
    const keys = [`recordings.results.${result}`, `recordings.errors.${result}`]
    const known = keys.find((key) => te(key))
    return known === undefined ? result : t(known)
  }

  return { errorOf, resultOf }
}
