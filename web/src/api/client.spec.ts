import { beforeEach, describe, expect, it, vi } from 'vitest'
import { api, authorisedFetch, call, setApiLanguage } from './client'
import { ApiError } from './errors'
import { currentToken, onSigned, refreshToken, setSigned, type Signed } from './token'

const json = (status: number, body: unknown): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })

const signed = (token: string): Signed => ({ access_token: token, token_type: 'bearer', expires_in: 900, user: { id: 1 } as Signed['user'] })

/** A server that knows one good access token and counts refreshes. */
function server(good: string, refresh: () => Response | Promise<Response>) {
  const seen: Request[] = []
  const fetcher = vi.fn(async (input: Request | string, init?: RequestInit) => {
    const request = input instanceof Request ? input : new Request(new URL(input, location.origin), init)
    seen.push(request)
    if (request.url.endsWith('/api/auth/refresh')) return refresh()
    return request.headers.get('Authorization') === `Bearer ${good}` ? json(200, { body: await request.text() }) : json(401, {})
  })
  vi.stubGlobal('fetch', fetcher)
  return { seen, refreshes: () => seen.filter((request) => request.url.endsWith('/refresh')).length }
}

const ask = (): Promise<Response> => authorisedFetch(new Request(`${location.origin}/api/x`, { method: 'POST', body: 'hello' }))

beforeEach(() => {
  setSigned(null)
})

describe('authorisedFetch', () => {
  it('sends token, language and the header that other sites cannot send', async () => {
    const { seen } = server('t1', () => json(401, {}))
    setSigned(signed('t1'))
    setApiLanguage('zh-TW')
    expect((await ask()).status).toBe(200)
    expect(seen[0]?.headers.get('Accept-Language')).toBe('zh-TW')
    expect(seen[0]?.headers.get('X-CSRF')).toBe('1')
  })

  it('refreshes once for all who wait, and sends again with the body', async () => {
    const { refreshes } = server('t2', () => json(200, signed('t2')))
    setSigned(signed('old'))
    const answers = await Promise.all([ask(), ask(), ask()])
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200])
    expect(await answers[0]?.json()).toEqual({ body: 'hello' })
    expect(refreshes()).toBe(1)
    expect(currentToken()).toBe('t2')
  })

  it('ends the session when the refresh is refused, and tells it once', async () => {
    server('t3', () => json(401, {}))
    setSigned(signed('old'))
    const told = vi.fn()
    const stop = onSigned(told)
    expect((await ask()).status).toBe(401)
    expect(told.mock.calls).toEqual([[null]])
    expect(currentToken()).toBeNull()
    stop()
  })

  it('does not refresh for a guest', async () => {
    const { refreshes } = server('t4', () => json(200, signed('t4')))
    expect((await ask()).status).toBe(401)
    expect(refreshes()).toBe(0)
  })

  it('keeps the session when the server cannot be asked', async () => {
    server('t5', () => json(503, { code: 'unavailable' }))
    setSigned(signed('old'))
    await expect(ask()).rejects.toMatchObject({ status: 503, code: 'unavailable' })
    expect(currentToken()).toBe('old')
  })

  it('turns a dead network into an ApiError, for the request and for the refresh', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')))
    await expect(ask()).rejects.toMatchObject({ status: 0 })
    await expect(refreshToken()).rejects.toBeInstanceOf(ApiError)
  })

  it('can refresh again after a failure', async () => {
    let answer = json(503, {})
    server('t6', () => answer)
    await expect(refreshToken()).rejects.toBeInstanceOf(ApiError)
    answer = json(200, signed('t6'))
    expect(await refreshToken()).toBe(true)
  })

  it('lets an aborted request be aborted', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new DOMException('gone', 'AbortError')))
    await expect(ask()).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('call', () => {
  it('gives the body or throws the problem', async () => {
    vi.stubGlobal('fetch', () => Promise.resolve(json(200, { version: '1.2.3' })))
    expect(await call(api.GET('/api/config'))).toMatchObject({ version: '1.2.3' })
    vi.stubGlobal('fetch', () => Promise.resolve(json(403, { code: 'forbidden', detail: 'No.' })))
    await expect(call(api.GET('/api/config'))).rejects.toMatchObject({ code: 'forbidden', detail: 'No.' })
  })
})
