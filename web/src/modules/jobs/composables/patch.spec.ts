import { describe, expect, it } from 'vitest'
import type { Job, JobDetail, JobPage } from '@/api/types'
import { changesLists, patchDetail, patchPage, toJobUpdate } from './patch'

const job = (id: number, state: Job['state'] = 'running'): Job => ({ id, state, progress: 0.1 }) as Job
const page = (...items: Job[]): JobPage => ({ items, page: 1, per_page: 20, total: items.length, pages: 1 })

describe('live updates of jobs', () => {
  it.each([null, undefined, 'x', 7, [], {}, { id: 'x' }])('are not made from %j', (data) => {
    expect(toJobUpdate(data)).toBeNull()
  })

  it('change the row that they are about and no other', () => {
    const before = page(job(1), job(2))
    const after = patchPage(before, { id: 2, progress: 0.5 })
    expect(after.items.map((row) => row.progress)).toEqual([0.1, 0.5])
    expect(after.items[0]).toBe(before.items[0])
    expect(patchPage(before, { id: 9, progress: 1 })).toBe(before)
  })

  it('ask for the lists again only when a job is new or has changed its state', () => {
    const pages = [page(job(1)), undefined]
    expect(changesLists(pages, { id: 1, state: 'running' })).toBe(false)
    expect(changesLists(pages, { id: 1, progress: 0.9 })).toBe(false)
    expect(changesLists(pages, { id: 1, state: 'done' })).toBe(true)
    expect(changesLists(pages, { id: 2, state: 'queued' })).toBe(true)
  })

  it('reach a job and its parts in the drawer', () => {
    const detail = { ...job(1), children: [job(2)] } as unknown as JobDetail
    expect(patchDetail(detail, { id: 1, progress: 0.7 }).progress).toBe(0.7)
    expect(patchDetail(detail, { id: 2, state: 'done' }).children[0]?.state).toBe('done')
    expect(patchDetail(detail, { id: 2, state: 'done' }).state).toBe('running')
  })
})
