import { describe, expect, it } from 'vitest'
import { ApiError } from '@/api/errors'
import { alarmsOf } from './alarms'
import { matchLanguage } from './i18n/languages'
import { adminMenu, modules } from './modules'
import { shouldRetry } from './query'
import { reloadOnce } from './robust'

describe('matchLanguage', () => {
  it.each([
    [['zh-CN'], 'zh-CN'],
    [['zh'], 'zh-CN'],
    [['zh-Hans-TW'], 'zh-CN'],
    [['zh-TW', 'en'], 'zh-TW'],
    [['zh-HK'], 'zh-TW'],
    [['zh-Hant'], 'zh-TW'],
    [['zh-SG'], 'zh-CN'],
    [['zh-Hans-HK'], 'zh-CN'],
    [['fr', 'zh-CN'], 'zh-CN'],
    [['en-GB', 'zh-CN'], 'en'],
    [['fr-FR'], 'en'],
    [[], 'en'],
  ])('%j is %s', (tags, language) => {
    expect(matchLanguage(tags)).toBe(language)
  })
})

describe('alarmsOf', () => {
  const warning = (code: string, level: 'info' | 'warning' | 'critical') => ({ code, level, text: code })

  it('takes what is critical and what is about the disk, three at most', () => {
    const found = alarmsOf([
      warning('media_away', 'critical'),
      warning('disk_low', 'warning'),
      warning('memory_high', 'warning'),
      warning('jobs_failed', 'info'),
    ])
    expect(found.map(({ code }) => code)).toEqual(['media_away', 'disk_low'])
    expect(alarmsOf(Array.from({ length: 5 }, () => warning('no_worker', 'critical')))).toHaveLength(3)
  })
})

describe('modules', () => {
  it('declare themselves, with a title and a frame for every page and a guard for every administration page', () => {
    expect(modules.map((module) => module.name).sort()).toEqual(['accounts', 'audit', 'jobs', 'library', 'monitoring', 'recordings', 'sources'])
    for (const route of modules.flatMap((module) => module.routes)) {
      expect(route.meta?.title, route.path).toBeTruthy()
      expect(route.path.startsWith('/admin') ? route.meta?.permission : 'none', route.path).toBeTruthy()
    }
  })

  it('have one page behind every menu entry, with the same permission', () => {
    const pages = new Map(modules.flatMap((module) => module.routes).map((route) => [route.path, route.meta?.permission]))
    expect(adminMenu.map((entry) => entry.order)).toEqual([...adminMenu].map((entry) => entry.order).sort((a, b) => a - b))
    for (const entry of adminMenu) expect(pages.get(entry.to), entry.to).toBe(entry.permission)
  })
})

describe('shouldRetry', () => {
  it('repeats what may pass by itself, twice', () => {
    const away = new ApiError(503, 'unavailable', null)
    expect([0, 1, 2].map((failures) => shouldRetry(failures, away))).toEqual([true, true, false])
  })

  it.each([400, 401, 403, 404, 409, 422, 429])('takes %d for an answer', (status) => {
    expect(shouldRetry(0, new ApiError(status, 'x', null))).toBe(false)
  })

  it('does not repeat faults of the page', () => {
    expect(shouldRetry(0, new TypeError('bug'))).toBe(false)
  })
})

describe('reloadOnce', () => {
  it('reloads for files that are gone, but not in circles', () => {
    sessionStorage.clear()
    let reloads = 0
    const reload = (): void => {
      reloads += 1
    }
    expect([reloadOnce(reload, 100_000), reloadOnce(reload, 101_000), reloadOnce(reload, 140_000)]).toEqual([true, false, true])
    expect(reloads).toBe(2)
  })
})
