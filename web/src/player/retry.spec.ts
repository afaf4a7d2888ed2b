import { describe, expect, it } from 'vitest'
import { FORGIVEN_AFTER_S, RETRY_PAUSE_MS, retryPolicy } from './retry'

describe('retryPolicy', () => {
  it('tries three times, three seconds apart, then gives up', () => {
    const policy = retryPolicy()
    expect([policy.next(), policy.next(), policy.next(), policy.next()]).toEqual([3000, 3000, 3000, null])
    expect(RETRY_PAUSE_MS).toBe(3000)
  })

  it('starts afresh by hand', () => {
    const policy = retryPolicy()
    for (let n = 0; n < 4; n += 1) policy.next()
    policy.reset()
    expect(policy.next()).toBe(3000)
  })

  it('forgives after undisturbed playing, not after a moment', () => {
    const policy = retryPolicy()
    for (let n = 0; n < 3; n += 1) policy.next()
    policy.played(10)
    policy.played(10 + FORGIVEN_AFTER_S - 1)
    expect(policy.next()).toBeNull()
    policy.played(40)
    policy.played(40 + FORGIVEN_AFTER_S)
    expect(policy.next()).toBe(3000)
  })

  it('does not count a seek backwards as playing', () => {
    const policy = retryPolicy()
    for (let n = 0; n < 3; n += 1) policy.next()
    policy.played(100)
    policy.played(5)
    policy.played(24)
    expect(policy.next()).toBeNull()
  })
})
