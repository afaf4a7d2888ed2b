import { useI18n } from 'vue-i18n'
import { isOpen, type Task } from './useTasks'

/** What a code says of a task that waits is another sentence once the waiting is over. */
const afterwards = (code: string): string => (code === 'source_offline' ? 'never_came' : code)

/** Codes of the server for people. */
export function useRecordingWords() {
  const { t, te } = useI18n()

  /** Why a task ended or stands still, in the server's words; a live update brings the code only. */
  function errorOf(task: Task): string | null {
    if (task.error_code === null) return null
    const key = `recordings.errors.${isOpen(task.status) ? task.error_code : afterwards(task.error_code)}`
    return task.error_message ?? (te(key) ? t(key) : task.error_code)
  }

  /** What became of the last run of a schedule: an outcome, or the code of an error. */
  function resultOf(result: string): string {
    const keys = [`recordings.results.${result}`, `recordings.errors.${result}`]
    const known = keys.find((key) => te(key))
    return known === undefined ? result : t(known)
  }

  return { errorOf, resultOf }
}
