import { describe, expect, it } from 'vitest'
import { modesOf, type PlayerMedia } from './media'
import { arriving, grownLength, isAtEdge, type Playhead, seekTarget, timelineOf } from './timeline'

const recording: PlayerMedia = {
  title: 'x', vodUrl: 'v', liveUrl: 'l', flvUrl: 'f', shift: null, posterUrl: null, storyboardUrl: null,
  isLive: true, duration: 100, readAtMs: 1_000_000,
}
const finished = { ...recording, isLive: false, liveUrl: null, flvUrl: null }
const preview = { ...recording, vodUrl: null }
const shifted = { ...preview, shift: { url: 'w', limitS: 600, sinceMs: 1_000_000 - 180_000 } }
const later = 1_000_000 + 20_000
const head = (change: Partial<Playhead>): Playhead => ({
  mode: 'start', currentTime: 0, duration: NaN, seekableStart: 0, seekableEnd: 0, latency: null, ...change,
})

describe('grownLength', () => {
  it('goes on by the clock while live, and never back', () => {
    expect(grownLength(recording, later)).toBe(120)
    expect(grownLength(recording, 0)).toBe(100)
    expect(grownLength(finished, later)).toBe(100)
  })

  it('of a window goes on until the window is full', () => {
    expect(grownLength(shifted, later)).toBe(200)
    expect(grownLength(shifted, later + 3_600_000)).toBe(600)
  })
})

describe('timelineOf', () => {
  it('counts the live edge from the beginning of the recording', () => {
    const timeline = timelineOf(recording, head({ mode: 'low-latency', currentTime: 9, duration: Infinity, latency: 2 }), later)
    expect(timeline).toEqual({ length: 120, position: 118, canSeek: true, behind: 2 })
  })

  it('grows with the recording while it is watched from the beginning', () => {
    const timeline = timelineOf(recording, head({ currentTime: 30, duration: 115, seekableEnd: 115 }), later)
    expect(timeline).toEqual({ length: 120, position: 30, canSeek: true, behind: 90 })
  })

  it('of a finished recording is that of the media', () => {
    const timeline = timelineOf(finished, head({ currentTime: 5, duration: 99.5 }), later)
    expect(timeline).toEqual({ length: 99.5, position: 5, canSeek: true, behind: null })
  })

  it('shows the known length before anything is loaded', () => {
    expect(timelineOf(finished, head({}), later).length).toBe(100)
  })

  it('has no bar for a stream that nobody records', () => {
    expect(timelineOf(preview, head({ mode: 'flv', latency: 1 }), later)).toMatchObject({ canSeek: false, behind: 1 })
  })

  it('of a window counts from its moving beginning', () => {
    const live = timelineOf(shifted, head({ mode: 'low-latency', latency: 3 }), later)
    expect(live).toEqual({ length: 200, position: 197, canSeek: true, behind: 3 })
    const earlier = head({ mode: 'shift', currentTime: 150, seekableStart: 100, seekableEnd: 700 })
    expect(timelineOf(shifted, earlier, later)).toEqual({ length: 600, position: 50, canSeek: true, behind: 550 })
  })

  it('has nothing live once the recording is over', () => {
    const over = timelineOf({ ...recording, isLive: false }, head({ mode: 'low-latency', latency: 2 }), later)
    expect(over).toMatchObject({ length: 100, canSeek: true, behind: null })
  })
})

describe('arriving', () => {
  const line = { length: 120, position: 0, canSeek: true, behind: 120 }

  it('stands where it is to begin', () => {
    expect(arriving(line, 'start', 30)).toMatchObject({ position: 30, behind: 90 })
    expect(arriving({ ...line, behind: null }, 'start', 30)).toMatchObject({ position: 30, behind: null })
    expect(arriving(line, 'shift', -30)).toMatchObject({ position: 90, behind: 30 })
    expect(arriving(line, 'shift', -Infinity)).toMatchObject({ position: 0, behind: 120 })
  })

  it('leaves the natural beginning and the live edge alone', () => {
    expect(arriving(line, 'start', null)).toBe(line)
    expect(arriving(line, 'flv', 30)).toBe(line)
  })
})

describe('isAtEdge', () => {
  it('holds at the live edge and close behind it, never for recordings', () => {
    const at = (currentTime: number) => timelineOf(recording, head({ currentTime, duration: 118 }), later)
    expect(isAtEdge('start', at(115))).toBe(true)
    expect(isAtEdge('start', at(50))).toBe(false)
    expect(isAtEdge('flv', timelineOf(recording, head({ mode: 'flv', latency: 3 }), later))).toBe(true)
    expect(isAtEdge('start', timelineOf(finished, head({ currentTime: 99 }), later))).toBe(false)
  })
})

describe('seekTarget', () => {
  const timeline = timelineOf(recording, head({ currentTime: 30, duration: 115 }), later)

  it.each([
    [40, 40],
    [-5, 0],
    [119, 'live'],
    [500, 'live'],
  ])('%d leads to %s', (wished, target) => {
    expect(seekTarget(recording, timeline, wished)).toBe(target)
  })

  it('has no live edge in a finished recording', () => {
    const done = timelineOf(finished, head({ duration: 100 }), later)
    expect(seekTarget(finished, done, 500)).toBe(100)
  })
})

describe('modesOf', () => {
  it('puts the live edge first and leaves out what has no address', () => {
    expect(modesOf(recording)).toEqual(['low-latency', 'flv', 'start'])
    expect(modesOf(finished)).toEqual(['start'])
    expect(modesOf({ ...preview, flvUrl: null })).toEqual(['low-latency'])
    expect(modesOf({ ...finished, vodUrl: null })).toEqual([])
    expect(modesOf(shifted)).toEqual(['low-latency', 'flv', 'shift'])
    expect(modesOf({ ...recording, shift: shifted.shift })).toEqual(['low-latency', 'flv', 'start'])
    expect(modesOf({ ...shifted, isLive: false })).toEqual([])
  })
})
