import type { Task, TaskPage } from './useTasks'

type LiveField = 'status' | 'duration' | 'file_size' | 'error_code'

/** What a live update tells of a task. Of gaps only their number counts: the list brings them with their lengths. */
export type TaskUpdate = Pick<Task, 'id'> & Partial<Pick<Task, LiveField>>

/** The update in a live message with the number of gaps, or null when it is none. */
export function toTaskUpdate(data: unknown): { update: TaskUpdate; gaps: number } | null {
  if (typeof data !== 'object' || data === null || typeof (data as { id?: unknown }).id !== 'number') return null
  const { id, status, duration, file_size, error_code, gaps } = data as Task
  return { update: { id, status, duration, file_size, error_code }, gaps: Array.isArray(gaps) ? gaps.length : 0 }
}

/** The page with the row of the task brought up to date; the same object when the task is not on it. */
export function patchTasks(page: TaskPage, update: TaskUpdate): TaskPage {
  if (!page.items.some((task) => task.id === update.id)) return page
  return { ...page, items: page.items.map((task) => (task.id === update.id ? { ...task, ...update } : task)) }
}

/** Whether the lists must be asked again: the task is not on them, or has another status, error or number of gaps. */
export function changesTasks(pages: readonly (TaskPage | undefined)[], update: TaskUpdate, gaps: number): boolean {
  const known = pages.flatMap((page) => page?.items ?? []).filter((task) => task.id === update.id)
  const differs = (task: Task) =>
    task.status !== update.status || task.error_code !== update.error_code || task.gaps.length !== gaps
  return known.length === 0 || known.some(differs)
}
