import { describe, expect, it } from 'vitest'
import type { SystemHistory, SystemLoad } from '@/api/types'
import { CAPACITY, loadToPoint, sampleToPoint, Series, toLoad, type Point } from './samples'
import { toneOf } from './tone'

const START_MS = Date.parse('2026-05-01T00:00:00Z')
const point = (seconds: number): Point => ({ atMs: START_MS + seconds * 1000, cpu: 1, memory: 2, received: 3, sent: 4, read: 5, written: 6, lag: 7, mediaIn: 8, mediaOut: 9, viewers: 10, streams: 1, recordings: 0 })
const history = (count: number): SystemHistory => ({
  step_s: 10,
  samples: Array.from({ length: count }, (_value, index) => ({
    at: new Date(START_MS + index * 10_000).toISOString(),
    cpu_percent: index,
  })) as SystemHistory['samples'],
})

describe('Series', () => {
  it('keeps a point per step and lets the head move between', () => {
    const series = new Series(10_000)
    series.load(history(3))
    for (const seconds of [22, 25, 28]) series.add(point(seconds))
    expect(series.points()).toHaveLength(4)
    expect(series.points().at(-1)?.atMs).toBe(START_MS + 28_000)
    series.add(point(31))
    expect(series.points()).toHaveLength(4)
    expect(series.points().at(-1)?.atMs).toBe(START_MS + 31_000)
  })

  it('ignores what is older than what it has', () => {
    const series = new Series(10_000)
    series.load(history(3))
    series.add(point(5))
    expect(series.points()).toHaveLength(3)
  })

  it('stays bounded over a day of live points', () => {
    const series = new Series(10_000)
    series.load(history(360))
    for (let seconds = 3600; seconds < 86_400; seconds += 2) series.add(point(seconds))
    expect(series.points().length).toBeLessThanOrEqual(CAPACITY)
  })
})

describe('toLoad', () => {
  it.each([null, undefined, 7, 'x', {}, { at: 'x' }])('is null for %j', (data) => {
    expect(toLoad(data)).toBeNull()
  })
})

describe('the media server in a point', () => {
  const load = (reachable: boolean) =>
    ({ at: '2026-05-01T00:00:00Z', media: { reachable, viewers: 3, streams_live: 2, recordings: 1, in_bits_per_s: 8, out_bits_per_s: 24 } }) as unknown as SystemLoad

  it('has its figures while it answers', () => {
    expect(loadToPoint(load(true))).toMatchObject({ viewers: 3, streams: 2, recordings: 1, mediaIn: 8, mediaOut: 24 })
  })

  it('has none while it is away, now and in the history', () => {
    const none = { viewers: null, streams: null, recordings: null, mediaIn: null, mediaOut: null }
    expect(loadToPoint(load(false))).toMatchObject(none)
    expect(history(1).samples.map(sampleToPoint)[0]).toMatchObject(none)
  })
})

describe('toneOf', () => {
  it('warns from 85 % and shouts from 95 %', () => {
    expect([0, 84.9, 85, 95, 100].map(toneOf)).toEqual(['brand', 'brand', 'warning', 'danger', 'danger'])
  })
})
