import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { mountWith } from '#tests/harness'
import TimeText from './TimeText.vue'

const START = Date.parse('2026-05-01T12:00:00Z')
const after = (seconds: number): string => new Date(START + seconds * 1000).toISOString()

describe('TimeText', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: START })
  })
  afterEach(() => {
    vi.useRealTimers()
    document.body.innerHTML = ''
  })

  it('never says of an event that it is to come, however old its own clock is', async () => {
    const wrapper = await mountWith(TimeText, { at: after(-60) })
    expect(wrapper.text()).toBe('1 minute ago')
    vi.setSystemTime(START + 12_000)
    await wrapper.setProps({ at: after(10) })
    expect(wrapper.text()).toBe('2 seconds ago')
    // The clock of the server is ahead.
    await wrapper.setProps({ at: after(30) })
    expect(wrapper.text()).toBe('now')
  })

  it('says it of what is to come, from the real present', async () => {
    const wrapper = await mountWith(TimeText, { at: after(3600), future: true })
    expect(wrapper.text()).toBe('in 1 hour')
    vi.setSystemTime(START + 12_000)
    await wrapper.setProps({ at: after(30) })
    expect(wrapper.text()).toBe('in 18 seconds')
  })
})
