import { mount } from '@vue/test-utils'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import LiveStill from './LiveStill.vue'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('asks for the picture again every so often, also after one that failed', async () => {
  const wrapper = mount(LiveStill, { props: { src: '/live/hall/poster.jpg', live: true } })
  const address = () => wrapper.find('img').attributes('src')
  const first = address()
  expect(wrapper.find('.blank.live').exists()).toBe(true)
  await wrapper.find('img').trigger('load')
  expect(wrapper.find('.blank').exists()).toBe(false)
  expect(first).toMatch(/^\/live\/hall\/poster\.jpg\?at=\d+$/)
  await vi.advanceTimersByTimeAsync(1000)
  expect(address()).toBe(first)
  await wrapper.find('img').trigger('error')
  expect(wrapper.find('img').exists()).toBe(false)
  expect(wrapper.find('.blank.live').exists()).toBe(true)
  await vi.advanceTimersByTimeAsync(15_000)
  expect(address()).not.toBe(first)
  wrapper.unmount()
})

it('shows a sign of its own without a picture', () => {
  const wrapper = mount(LiveStill, { props: { src: null } })
  expect(wrapper.find('img').exists()).toBe(false)
  expect(wrapper.find('.blank').classes()).not.toContain('live')
})
