import { describe, expect, it } from 'vitest'
import { networkError, toApiError } from './errors'

describe('toApiError', () => {
  it('reads a problem document', () => {
    const error = toApiError(409, { code: 'username_taken', title: 'Conflict', detail: 'Taken.', field: 'username', request_id: 'r1' })
    expect(error).toMatchObject({ status: 409, code: 'username_taken', detail: 'Taken.', requestId: 'r1' })
    expect(error.fields).toEqual([{ field: 'username', message: 'Taken.' }])
  })

  it('takes all fields when there are several, by the names that forms use', () => {
    const error = toApiError(422, {
      detail: 'First.',
      field: 'body.email',
      errors: [
        { field: 'body.email', code: 'email', detail: 'No address.' },
        { field: 'scopes.0', code: 'enum', detail: 'Unknown.' },
        { field: 'broken' },
        null,
        'text',
      ],
    })
    expect(error.fields).toEqual([
      { field: 'email', message: 'No address.' },
      { field: 'scopes', message: 'Unknown.' },
    ])
  })

  it.each([null, undefined, 'a page of html', 7, [], { detail: 5, code: {}, errors: 'x' }])('survives %j', (body) => {
    expect(toApiError(502, body)).toMatchObject({ status: 502, code: 'http_502', detail: null, fields: [] })
  })

  it('knows what may pass by itself', () => {
    expect([0, 500, 503, 429].map((status) => toApiError(status, null).isTemporary)).toEqual([true, true, true, true])
    expect([400, 401, 403, 404, 409, 422].some((status) => toApiError(status, null).isTemporary)).toBe(false)
    expect(networkError()).toMatchObject({ status: 0, code: 'network' })
  })
})
