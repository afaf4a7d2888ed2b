import { ref } from 'vue'
import { ApiError } from '@/api/errors'
import { useProblem } from './problem'

/**
 * State of a form that is sent to the server: busy or not, what the server says about single fields, and what it says
 * about the whole. `known` are the fields that the form shows; words about any other go to `general`.
 */
export function useServerForm(known: readonly string[]) {
  const { sentence } = useProblem()
  const busy = ref(false)
  const general = ref<string | null>(null)
  const fields = ref<Record<string, string>>({})

  function clear(): void {
    general.value = null
    fields.value = {}
  }

  /** Runs `action` unless it runs already; resolves to true when it went well. */
  async function submit(action: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    clear()
    busy.value = true
    try {
      await action()
      return true
    } catch (error) {
      take(error)
      return false
    } finally {
      busy.value = false
    }
  }

  function take(error: unknown): void {
    const problems = error instanceof ApiError ? error.fields : []
    const shown = problems.filter((problem) => known.includes(problem.field))
    fields.value = Object.fromEntries(shown.map((problem) => [problem.field, problem.message]))
    if (shown.length === 0) general.value = sentence(error)
  }

  return { busy, general, fields, clear, submit }
}
