import { describe, expect, it } from 'vitest'
import { changesTasks, patchTasks, toTaskUpdate } from './patch'
import type { Task, TaskPage } from './useTasks'

const task = (id: number, more: Partial<Task> = {}): Task => ({ id, status: 'recording', duration: 1, ...more }) as Task
const page = (...items: Task[]): TaskPage => ({ items, page: 1, per_page: 20, total: items.length, pages: 1 })

describe('live updates of tasks', () => {
  it.each([null, undefined, 'x', 7, [], {}, { id: 'x' }])('are not made from %j', (data) => {
    expect(toTaskUpdate(data)).toBeNull()
  })

  it('make the row grow and leave the others alone', () => {
    const before = page(task(1), task(2))
    const update = toTaskUpdate({ id: 2, status: 'recording', duration: 9, file_size: 5, error_code: null, gaps: [] })!
    const after = patchTasks(before, update)
    expect(after.items.map((row) => row.duration)).toEqual([1, 9])
    expect(after.items[0]).toBe(before.items[0])
    expect(patchTasks(before, { ...update, id: 3 })).toBe(before)
  })

  it('ask for the lists again when a task is new or changes its status', () => {
    const pages = [page(task(1)), undefined]
    expect(changesTasks(pages, { id: 1, status: 'recording' })).toBe(false)
    expect(changesTasks(pages, { id: 1, status: 'completed' })).toBe(true)
    expect(changesTasks(pages, { id: 1, status: 'recording', error_code: 'recording_paused' })).toBe(true)
    expect(changesTasks(pages, { id: 2, status: 'recording' })).toBe(true)
  })
})
