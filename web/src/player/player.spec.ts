import { describe, expect, it } from 'vitest'
import { formatClock } from './clock'
import { hlsEngines } from './engines/choose'
import { configFor } from './engines/hls'

describe('formatClock', () => {
  it.each([
    [0, '0:00'],
    [5.9, '0:05'],
    [75, '1:15'],
    [3661, '1:01:01'],
    [360_000, '100:00:00'],
    [NaN, '0:00'],
    [Infinity, '0:00'],
    [-3, '0:00'],
  ])('%d → %s', (seconds, text) => {
    expect(formatClock(seconds)).toBe(text)
  })
})

describe('hlsEngines', () => {
  it.each([
    ['Chromium with its own HLS player', { hasMediaSource: true, hasManagedMediaSource: false, playsHls: true }, ['hls.js']],
    ['Firefox', { hasMediaSource: true, hasManagedMediaSource: false, playsHls: false }, ['hls.js']],
    ['Safari 17', { hasMediaSource: true, hasManagedMediaSource: true, playsHls: true }, ['hls.js', 'native']],
    ['an older iPhone', { hasMediaSource: false, hasManagedMediaSource: false, playsHls: true }, ['native']],
    ['something without anything', { hasMediaSource: false, hasManagedMediaSource: false, playsHls: false }, []],
  ] as const)('%s', (_name, abilities, engines) => {
    expect(hlsEngines(abilities)).toEqual(engines)
  })
})

describe('configFor', () => {
  const options = { url: 'u', isLive: true, lowLatency: false, isWindow: false, startAt: null }

  it('asks for low latency at the live edge only', () => {
    const live = configFor({ ...options, lowLatency: true })
    expect(live.lowLatencyMode).toBe(true)
    expect(live.startPosition).toBeUndefined()
  })

  it('begins a growing recording at its beginning, not at its end', () => {
    const start = configFor(options)
    expect(start).toMatchObject({ lowLatencyMode: false, startPosition: 0 })
    expect(configFor({ ...options, isWindow: true, startAt: -60 })).toMatchObject({ liveDurationInfinity: true })
    expect(configFor({ ...options, isLive: false, startAt: 754 }).startPosition).toBe(754)
  })
})
