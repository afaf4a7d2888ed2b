import { describe, expect, it } from 'vitest'
import { watchMeter } from './watchMeter'
import { durationLimits, formatCount, formatTotal, resumeAt, secondOf } from './words'

describe('watchMeter', () => {
  function play(seconds: number, from = 0): ReturnType<typeof watchMeter> {
    const meter = watchMeter()
    for (let ms = from * 1000; ms <= (from + seconds) * 1000; ms += 250) meter.tick(ms, false)
    return meter
  }

  it('counts time in which the video plays', () => {
    expect(play(6).total()).toBeCloseTo(6)
  })

  it('counts no pause and no sleep of the tab', () => {
    const meter = play(6)
    meter.tick(6500, true)
    meter.tick(60_000, false)
    meter.tick(61_000, false)
    meter.tick(900_000, false)
    expect(meter.total()).toBeCloseTo(7.5)
  })

  it('gives whole seconds once, and keeps the rest for the next time', () => {
    const meter = play(6.5)
    expect(meter.take()).toBe(6)
    expect(meter.take()).toBe(0)
    meter.tick(6750, false)
    meter.tick(7000, false)
    expect(meter.take()).toBe(1)
  })
})

describe('resumeAt', () => {
  it.each([
    ['where the viewer stopped', null, 754, 3600, 754],
    ['the second in the address first', 90, 754, 3600, 90],
    ['not at the very beginning', null, 4, 3600, null],
    ['not at the very end', null, 3595, 3600, null],
  ])('%s', (_name, wished, last, duration, second) => {
    expect(resumeAt(wished, last, duration)).toBe(second)
  })
})

describe('words', () => {
  it('shows totals up to what the server counts', () => {
    expect(formatTotal(10_000)).toBe('10000')
    expect(formatTotal(10_001)).toBe('10000+')
  })

  it('shortens counts as the language does', () => {
    expect(formatCount(12_345, 'en')).toBe('12.3K')
    expect(formatCount(12_345, 'zh-CN')).toBe('1.2万')
  })

  it('takes only seconds from the address', () => {
    expect(secondOf('90')).toBe(90)
    for (const bad of ['-1', '1.5', '1e9', '', 'x', undefined, ['90']]) expect(secondOf(bad)).toBeNull()
  })

  it('leaves no length between the filters, and none in two', () => {
    expect(durationLimits('short').max_duration).toBe((durationLimits('medium').min_duration ?? 0) - 1)
    expect(durationLimits('medium').max_duration).toBe((durationLimits('long').min_duration ?? 0) - 1)
    expect(durationLimits('')).toEqual({})
  })
})
