import { describe, expect, it } from 'vitest'
import { withSetup } from '#tests/harness'
import type { Compatible } from './types'
import { useCopyWords } from './useCopyWords'
import { isBeingMade, partUrl } from './useDownloads'

const none: Compatible = {
  state: 'none',
  progress: 0,
  ready_until: null,
  file_size: null,
  download_url: null,
  error_code: null,
  error_message: null,
}

describe('partUrl', () => {
  it('names one file of the recording and its own title', () => {
    const whole = 'http://media:8081/t/AQE/vod/0199/video.mp4?download=A%20%26%20B'
    expect(partUrl(whole, 'video-001.mp4', 'A & B 2')).toBe('http://media:8081/t/AQE/vod/0199/video-001.mp4?download=A+%26+B+2')
  })
})

describe('isBeingMade', () => {
  it.each([['none', false], ['queued', true], ['running', true], ['ready', false], ['failed', false]] as const)('%s: %s', (state, expected) => {
    expect(isBeingMade({ ...none, state })).toBe(expected)
  })
})

describe('copyWords', () => {
  it.each<[string, Partial<Compatible>]>([
    ['One file that every player and editor takes', {}],
    ['Waiting for its turn', { state: 'queued' }],
    ['Being made: 42%', { state: 'running', progress: 0.42 }],
    ['It could not be made: nothing was recorded', { state: 'failed', error_code: 'copy_nothing', error_message: 'Nothing.' }],
    ['It could not be made: ffmpeg ended with code 1', { state: 'failed', error_code: 'copy_failed', error_message: 'ffmpeg ended with code 1' }],
    ['It could not be made: the video tool stopped', { state: 'failed', error_code: 'copy_failed' }],
    ['It could not be made: the video tool stopped', { state: 'failed', error_code: 'of_a_newer_server' }],
  ])('%s', async (words, copy) => {
    const { result } = await withSetup(useCopyWords)
    expect(result.copyWords({ ...none, ...copy })).toBe(words)
  })

  it('says how large it is and until when it is there', async () => {
    const { result } = await withSetup(useCopyWords)
    expect(result.copyWords({ ...none, state: 'ready', file_size: 1536, ready_until: '2026-11-22T10:00:00Z' })).toMatch(/^1\.5 KiB · ready until .*2026/)
  })
})
