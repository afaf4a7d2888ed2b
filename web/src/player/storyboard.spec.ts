import { describe, expect, it } from 'vitest'
import { parseStoryboard, sheetSize, tileAt } from './storyboard'

const BASE = 'http://files.example/t/x/vod/a/storyboard.vtt'
const SHEET = 'http://files.example/t/x/vod/a/storyboard.jpg'
const TEXT = `WEBVTT

00:00.000 --> 00:05.000
storyboard.jpg#xywh=0,0,160,90

NOTE a comment

second
00:00:05.000 --> 00:00:10.500 align:start
storyboard.jpg#xywh=160,0,160,90

01:00:00.000 --> 01:00:05.000
storyboard.jpg#xywh=pixel:0,90,160,90
`

describe('parseStoryboard', () => {
  it('reads times, tiles and the address of the sheet', () => {
    const tiles = parseStoryboard(TEXT, BASE)
    expect(tiles.map(({ start, end }) => [start, end])).toEqual([[0, 5], [5, 10.5], [3600, 3605]])
    expect(tiles[1]).toEqual({ start: 5, end: 10.5, url: SHEET, x: 160, y: 0, width: 160, height: 90 })
    expect(sheetSize(tiles, SHEET)).toEqual({ width: 320, height: 180 })
  })

  it('reads lines that end in CR LF, and a byte order mark', () => {
    expect(parseStoryboard(`\uFEFF${TEXT.replaceAll('\n', '\r\n')}`, BASE)).toHaveLength(3)
  })

  it.each([
    ['no WebVTT', 'GIF89a'],
    ['empty', ''],
    ['a time that is none', 'WEBVTT\n\n00:99.000 --> 00:05.000\na.jpg#xywh=0,0,1,1'],
    ['an end before the start', 'WEBVTT\n\n00:05.000 --> 00:01.000\na.jpg#xywh=0,0,1,1'],
    ['no fragment', 'WEBVTT\n\n00:00.000 --> 00:01.000\na.jpg'],
    ['an empty tile', 'WEBVTT\n\n00:00.000 --> 00:01.000\na.jpg#xywh=0,0,0,9'],
    ['percent instead of pixels', 'WEBVTT\n\n00:00.000 --> 00:01.000\na.jpg#xywh=percent:0,0,9,9'],
    ['a script as address', 'WEBVTT\n\n00:00.000 --> 00:01.000\njavascript:alert(1)#xywh=0,0,1,1'],
    ['a cue without text', 'WEBVTT\n\n00:00.000 --> 00:01.000'],
  ])('leaves out %s', (_name, text) => {
    expect(parseStoryboard(text, BASE)).toEqual([])
  })

  it('takes a very long file in its stride', () => {
    const cues = Array.from({ length: 5000 }, (_, n) => `00:00:${String(n % 60).padStart(2, '0')}.000 --> 00:59:59.000\ns.jpg#xywh=0,0,1,1`)
    expect(parseStoryboard(`WEBVTT\n\n${cues.join('\n\n')}`, BASE)).toHaveLength(5000)
  })
})

describe('tileAt', () => {
  const tiles = parseStoryboard(TEXT, BASE)

  it.each([
    [0, 0],
    [4.99, 0],
    [5, 5],
    [1000, 5],
    [9999, 3600],
    [-3, 0],
  ])('second %d is shown by the tile of second %d', (second, start) => {
    expect(tileAt(tiles, second)?.start).toBe(start)
  })

  it('is null without tiles', () => {
    expect(tileAt([], 3)).toBeNull()
  })
})
