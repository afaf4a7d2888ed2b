import { describe, expect, it } from 'vitest'
import { beginInWindow, type EngineOptions } from './engine'

const options: EngineOptions = { url: 'u', isLive: true, lowLatency: false, isWindow: true, startAt: -60 }

function windowed(start: number, end: number): HTMLVideoElement {
  const video = document.createElement('video')
  const range = { length: 1, start: () => start, end: () => end }
  Object.defineProperty(video, 'seekable', { value: range })
  return video
}
const know = (video: HTMLVideoElement): boolean => video.dispatchEvent(new Event('loadedmetadata'))

describe('beginInWindow', () => {
  it('counts back from the live edge', () => {
    const video = windowed(100, 700)
    beginInWindow(video, options)
    know(video)
    expect(video.currentTime).toBe(640)
  })

  it('begins no earlier than what will be there for a while', () => {
    const video = windowed(100, 700)
    beginInWindow(video, { ...options, startAt: -Infinity })
    know(video)
    expect(video.currentTime).toBe(104)
  })

  it('leaves the edge, other media and a video that somebody else plays by now alone', () => {
    const video = windowed(100, 700)
    beginInWindow(video, { ...options, startAt: null })
    beginInWindow(video, { ...options, isWindow: false })
    beginInWindow(video, options)()
    know(video)
    expect(video.currentTime).toBe(0)
  })
})
