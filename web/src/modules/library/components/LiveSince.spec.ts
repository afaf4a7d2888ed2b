import { afterEach, describe, expect, it, vi } from 'vitest'
import { mountWith } from '#tests/harness'
import LiveSince from './LiveSince.vue'

describe('LiveSince', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('never lets a stream that is on begin in the future', async () => {
    const start = Date.parse('2026-05-01T12:00:00Z')
    vi.useFakeTimers({ toFake: ['Date'], now: start })
    const wrapper = await mountWith(LiveSince, { at: new Date(start + 10_000).toISOString() })
    expect(wrapper.text()).toBe('Started now')
  })
})
