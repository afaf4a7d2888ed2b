import { describe, expect, it } from 'vitest'
import { changesTasks, patchTasks, toTaskUpdate } from './patch'
import type { Task, TaskPage } from './useTasks'

const task = (id: number, more: Partial<Task> = {}): Task => ({ id, status: 'recording', duration: 1, error_code: null, gaps: [], ...more }) as unknown as Task
const page = (...items: Task[]): TaskPage => ({ items, page: 1, per_page: 20, total: items.length, pages: 1 })

describe('live updates of tasks', () => {
  it.each([null, undefined, 'x', 7, [], {}, { id: 'x' }])('are not made from %j', (data) => {
    expect(toTaskUpdate(data)).toBeNull()
  })

  it('make the row grow and leave the others alone', () => {
    const before = page(task(1), task(2))
    const { update } = toTaskUpdate({ id: 2, status: 'recording', duration: 9, file_size: 5, error_code: null, gaps: [] })!
    const after = patchTasks(before, update)
    expect(after.items.map((row) => row.duration)).toEqual([1, 9])
    expect(after.items[0]).toBe(before.items[0])
    expect(patchTasks(before, { ...update, id: 3 })).toBe(before)
  })

  it('ask for the lists again when a task is new, changes its status or has another gap', () => {
    const pages = [page(task(1)), undefined]
    const same = { id: 1, status: 'recording', error_code: null } as const
    expect(changesTasks(pages, same, 0)).toBe(false)
    expect(changesTasks(pages, { ...same, status: 'completed' }, 0)).toBe(true)
    expect(changesTasks(pages, { ...same, error_code: 'recording_paused' }, 0)).toBe(true)
    expect(changesTasks(pages, { ...same, id: 2 }, 0)).toBe(true)
    expect(changesTasks(pages, same, 1)).toBe(true)
  })
})
