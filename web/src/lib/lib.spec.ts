import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { backoffMs } from './backoff'
import { copyText } from './clipboard'
import { dayEnd, dayStart } from './days'
import { describeDevice } from './device'
import { Ring } from './ring'
import { recall, remember } from './storage'
import { throttle } from './throttle'

describe('Ring', () => {
  it('keeps the newest entries only', () => {
    const ring = new Ring<number>(3)
    ring.push(1, 2)
    ring.push(3, 4)
    expect(ring.toArray()).toEqual([2, 3, 4])
    ring.replace([5, 6, 7, 8])
    expect([ring.size, ring.last]).toEqual([3, 8])
  })

  it('stays bounded however long it is fed', () => {
    const ring = new Ring<number>(10)
    for (let i = 0; i < 10_000; i += 1) ring.push(i)
    expect(ring.size).toBe(10)
  })

  it.each([0, -1, 1.5, Number.NaN])('refuses the capacity %d', (capacity) => {
    expect(() => new Ring(capacity)).toThrow(RangeError)
  })
})

describe('backoffMs', () => {
  it('doubles to at most half a minute and never falls under half of it', () => {
    expect([0, 1, 2, 3, 9, 1000].map((attempt) => backoffMs(attempt, () => 0))).toEqual([1000, 2000, 4000, 8000, 30_000, 30_000])
    expect(backoffMs(2, () => 1)).toBe(2000)
  })
})

describe('days', () => {
  it('begin and end at local midnight', () => {
    expect(dayStart('2026-03-01')).toBe(new Date(2026, 2, 1).toISOString())
    expect(dayEnd('2026-12-31')).toBe(new Date(2027, 0, 1).toISOString())
  })

  it.each(['', 'today', '2026-3-1', '2026-01-01T00:00'])('are undefined for %j', (day) => {
    expect([dayStart(day), dayEnd(day)]).toEqual([undefined, undefined])
  })
})

describe('describeDevice', () => {
  it.each([
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0', 'Edge · Windows', false],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile/15E148 Safari/604.1', 'Safari · iPhone', true],
    ['Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36 MicroMessenger/8.0', 'WeChat · Android', true],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox · Linux', false],
    ['curl/8.5', 'curl', false],
  ])('%s', (userAgent, name, isPhone) => {
    expect(describeDevice(userAgent)).toEqual({ name, isPhone })
  })

  it('knows when it knows nothing', () => {
    expect(describeDevice('')).toEqual({ name: null, isPhone: false })
  })
})

describe('throttle', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  it('acts at once and once more at the end', () => {
    const act = vi.fn()
    const calm = throttle(act, 1000)
    calm()
    calm()
    calm()
    expect(act).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(1000)
    expect(act).toHaveBeenCalledTimes(2)
    vi.advanceTimersByTime(5000)
    expect(act).toHaveBeenCalledTimes(2)
  })

  it('forgets what waits when it is cancelled', () => {
    const act = vi.fn()
    const calm = throttle(act, 1000)
    calm()
    calm()
    calm.cancel()
    vi.advanceTimersByTime(5000)
    expect(act).toHaveBeenCalledTimes(1)
  })
})

describe('storage', () => {
  it('remembers, forgets, and survives a browser that refuses', () => {
    remember('x', 'y')
    expect(recall('x')).toBe('y')
    remember('x', null)
    expect(recall('x')).toBeNull()
    vi.spyOn(Storage.prototype, 'getItem').mockImplementation(() => {
      throw new DOMException('denied', 'SecurityError')
    })
    vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError')
    })
    remember('x', 'y')
    expect(recall('x')).toBeNull()
  })
})

describe('copyText', () => {
  it('falls back to the selection where there is no clipboard (plain http on a LAN)', async () => {
    const copy = vi.fn(() => true)
    Object.assign(document, { execCommand: copy })
    expect(await copyText('secret')).toBe(true)
    expect(copy).toHaveBeenCalledWith('copy')
    expect(document.querySelector('textarea')).toBeNull()
  })

  it('says when the browser refuses both', async () => {
    Object.assign(document, { execCommand: () => false })
    expect(await copyText('secret')).toBe(false)
  })
})
