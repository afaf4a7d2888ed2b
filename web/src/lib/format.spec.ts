import { describe, expect, it } from 'vitest'
import {
  formatBitrate,
  formatByteRate,
  formatBytes,
  formatDuration,
  formatLength,
  formatPercent,
  formatRelative,
  formatStamp,
  secondsBetween,
} from './format'

describe('format', () => {
  it.each([
    [0, '0 B'],
    [1023, '1,023 B'],
    [1536, '1.5 KiB'],
    [150 * 1024, '150 KiB'],
    [3 * 1024 ** 4, '3 TiB'],
    [1024 ** 6, '1,024 PiB'],
    [-5, '0 B'],
  ])('formatBytes(%d) is %s', (bytes, text) => {
    expect(formatBytes(bytes, 'en')).toBe(text)
  })

  it.each([
    [0, '0 bit/s'],
    [125, '1 kbit/s'],
    [1_250_000, '10 Mbit/s'],
    [1e15, '8,000 Tbit/s'],
    [-1, '0 bit/s'],
  ])('formatBitrate(%d) is %s', (rate, text) => {
    expect(formatBitrate(rate, 'en')).toBe(text)
  })

  it('formatByteRate uses decimal prefixes', () => {
    expect(formatByteRate(2_500_000, 'en')).toBe('2.5 MB/s')
  })

  it.each([
    [0.04, '0.0 s'],
    [9.94, '9.9 s'],
    [75, '1:15'],
    [75.9, '1:15'],
    [3661, '1:01:01'],
    [100 * 3600, '100:00:00'],
  ])('formatDuration(%d) is %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text)
  })

  it.each([
    [5400, 'en', '1 hour 30 minutes'],
    [60, 'en', '1 minute'],
    [7261, 'en', '2 hours 1 minute 1 second'],
    [0, 'en', '0 seconds'],
    [5400, 'zh-CN', '1小时 30分钟'],
  ])('formatLength(%d) in %s is %s', (seconds, lang, text) => {
    expect(formatLength(seconds, lang)).toBe(text)
  })

  it('dates names by the reader\'s clocks', () => {
    expect(formatStamp(new Date(2026, 4, 1, 9, 5))).toBe('2026-05-01 09:05')
  })

  it('tells times in the language of the page', () => {
    const now = Date.parse('2026-05-01T12:00:00Z')
    expect(formatRelative('2026-05-01T11:57:00Z', 'en', now)).toBe('3 minutes ago')
    expect(formatRelative('2026-05-01T14:00:00Z', 'zh-CN', now)).toBe('2小时后')
    expect(formatRelative('2026-04-30T12:00:00Z', 'zh-TW', now)).toBe('昨天')
  })

  it('percent runs to a hundred', () => {
    expect(formatPercent(12.6, 'en')).toBe('13%')
  })

  it('measures until now while there is no end, and never below zero', () => {
    const now = Date.parse('2026-05-01T12:00:10Z')
    expect(secondsBetween('2026-05-01T12:00:00Z', null, now)).toBe(10)
    expect(secondsBetween('2026-05-01T12:00:00Z', '2026-05-01T12:00:04Z', now)).toBe(4)
    expect(secondsBetween('2026-05-01T12:00:00Z', '2026-05-01T11:00:00Z', now)).toBe(0)
  })
})
