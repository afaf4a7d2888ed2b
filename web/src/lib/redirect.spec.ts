import { describe, expect, it } from 'vitest'
import { safeRedirect } from './redirect'

describe('safeRedirect', () => {
  it.each(['/', '/profile', '/admin/users?role=admin&page=2', '/a#b'])('keeps %s', (path) => {
    expect(safeRedirect(path)).toBe(path)
  })

  it.each([
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    '/\n//evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    'profile',
    '',
    null,
    undefined,
    ['/profile'],
    '/.//evil.example',
  ])('goes home for %j', (path) => {
    expect(safeRedirect(path)).toBe('/')
  })
})
