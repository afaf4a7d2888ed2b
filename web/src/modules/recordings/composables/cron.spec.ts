import { describe, expect, it } from 'vitest'
import { DEFAULT_PLAN, fromCron, toCron, weekdayName, type Plan } from './cron'

const plan = (more: Partial<Plan>): Plan => ({ ...DEFAULT_PLAN, time: '19:30', ...more })

describe('a plan', () => {
  it.each([
    [plan({ repeat: 'daily' }), '30 19 * * *'],
    [plan({ repeat: 'weekdays' }), '30 19 * * 1-5'],
    [plan({ repeat: 'weekly', days: [3, 1] }), '30 19 * * 1,3'],
    [plan({ repeat: 'weekly', days: [0] }), '30 19 * * 0'],
    [plan({ repeat: 'daily', time: '00:05' }), '5 0 * * *'],
    [plan({ repeat: 'expert', expression: ' */5 8-18 * * * ' }), '*/5 8-18 * * *'],
  ])('%j says %s', (given, expression) => {
    expect(toCron(given)).toBe(expression)
    expect(toCron(fromCron(expression))).toBe(expression)
  })

  it('says nothing while it is unfinished', () => {
    expect(toCron(plan({ repeat: 'daily', time: '' }))).toBe('')
    expect(toCron(plan({ repeat: 'weekly', days: [] }))).toBe('')
  })

  it('is recognised again, Sunday by both of its numbers', () => {
    expect(fromCron('30 19 * * 1-5')).toMatchObject({ repeat: 'weekdays', time: '19:30' })
    expect(fromCron('5  0 * * 7,1')).toMatchObject({ repeat: 'weekly', time: '00:05', days: [1, 0] })
  })

  it.each(['*/5 * * * *', '0 25 * * *', '61 9 * * *', '0 9 1 * *', '0 9 * 6 1', '@daily', 'nonsense', '', '0 9 * * 1-3'])(
    'that no preset can say stays for experts: %s',
    (expression) => {
      expect(fromCron(expression)).toMatchObject({ repeat: 'expert', expression })
    },
  )

  it('names days in the language of the page', () => {
    expect(weekdayName(1, 'en')).toBe('Mon')
    expect(weekdayName(0, 'zh-CN')).toBe('周日')
  })
})
