import { describe, expect, it } from 'vitest'
import { diffFields } from './diff'

describe('diffFields', () => {
  it('puts what changed first', () => {
    expect(diffFields({ name: 'a', role: 'member' }, { name: 'a', role: 'admin' })).toEqual([
      { field: 'role', before: 'member', after: 'admin', changed: true },
      { field: 'name', before: 'a', after: 'a', changed: false },
    ])
  })

  it('shows what was made and what was deleted', () => {
    expect(diffFields(null, { id: 7 })).toEqual([{ field: 'id', before: null, after: '7', changed: true }])
    expect(diffFields({ id: 7 }, null)).toEqual([{ field: 'id', before: '7', after: null, changed: true }])
  })

  it('tells null, the text null and a missing field apart', () => {
    expect(diffFields({ email: null }, { email: 'null' })[0]).toMatchObject({ before: 'null', after: 'null' })
    expect(diffFields({ email: null }, {})[0]).toMatchObject({ before: 'null', after: null, changed: true })
  })

  it('compares lists and objects by their content', () => {
    expect(diffFields({ tags: ['a'] }, { tags: ['a'] })[0]?.changed).toBe(false)
    expect(diffFields({ tags: ['a'] }, { tags: ['b'] })[0]?.changed).toBe(true)
  })

  it('has nothing to say about nothing', () => {
    expect(diffFields(null, null)).toEqual([])
  })
})
