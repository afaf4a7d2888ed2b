// Loaded with the first notice, which takes longer than a test may.
import 'element-plus'
import { flushPromises } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { withSetup } from '#tests/harness'
import { api } from '@/api/client'
import { useStoppedNotice } from './stopped'

const task = { id: 5, source_id: 2, title: 'Lecture', created_at: '2026-05-01T12:00:00Z' } as never
const videos = (...tasks: number[]) => {
  const items = tasks.map((task_id) => ({ id: task_id + 100, task_id }))
  vi.spyOn(api, 'GET').mockResolvedValue({ data: { items }, response: new Response() } as never)
}

describe('the notice of a stopped recording', () => {
  afterEach(() => {
    document.body.innerHTML = ''
  })

  it('leads to the video', async () => {
    videos(4, 5)
    const { result, router } = await withSetup(useStoppedNotice)
    await result(task)
    const link = document.querySelector<HTMLAnchorElement>('[data-test=notice-link]')
    expect(document.body.textContent).toContain('Lecture was stopped')
    expect(link?.getAttribute('href')).toBe('/video/105')
    link?.click()
    await flushPromises()
    expect(router.currentRoute.value.path).toBe('/video/105')
  })

  it('stands alone while nothing was recorded', async () => {
    videos()
    const { result } = await withSetup(useStoppedNotice)
    await result(task)
    await vi.waitFor(() => {
      expect(document.body.textContent).toContain('Lecture was stopped')
    })
    expect(document.querySelector('[data-test=notice-link]')).toBeNull()
  })
})
