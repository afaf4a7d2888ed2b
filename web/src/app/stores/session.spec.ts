import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { currentToken, setSigned, type Signed } from '@/api/token'
import { recall, remember } from '@/lib/storage'
import { useSession } from './session'

/** Tabs of one browser, without a browser. */
class FakeChannel {
  static tabs: FakeChannel[] = []
  onmessage: ((event: { data: unknown }) => void) | null = null
  constructor() {
    FakeChannel.tabs.push(this)
  }
  postMessage(data: unknown): void {
    FakeChannel.tabs.filter((tab) => tab !== this).forEach((tab) => tab.onmessage?.({ data }))
  }
}

const signed: Signed = {
  access_token: 'token',
  token_type: 'bearer',
  expires_in: 900,
  user: { id: 1, username: 'lin', permissions: ['jobs.read'] } as unknown as Signed['user'],
}

const answer = (status: number, body: unknown = null): Response =>
  new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })

function serve(answers: Record<string, () => Response>) {
  const fetcher = vi.fn((input: Request | string) => {
    const path = new URL(input instanceof Request ? input.url : input, location.origin).pathname
    const make = answers[path]
    return make ? Promise.resolve(make()) : Promise.reject(new TypeError(`no answer for ${path}`))
  })
  vi.stubGlobal('fetch', fetcher)
  return fetcher
}

beforeEach(() => {
  vi.stubGlobal('BroadcastChannel', FakeChannel)
  FakeChannel.tabs = []
  setSigned(null)
  localStorage.clear()
  setActivePinia(createPinia())
})
afterEach(() => {
  vi.unstubAllGlobals()
})

describe('session', () => {
  it('does not ask the server in a browser that was never signed in', async () => {
    const fetcher = serve({})
    const session = useSession()
    await session.start()
    expect(session.phase).toBe('guest')
    expect(fetcher).not.toHaveBeenCalled()
  })

  it('goes on with the cookie after a reload', async () => {
    remember('signed-in', '1')
    serve({ '/api/auth/refresh': () => answer(200, signed) })
    const session = useSession()
    await session.start()
    expect([session.phase, session.isSignedIn, session.can('jobs.read'), session.can('users.write')]).toEqual(['signed-in', true, true, false])
    expect(currentToken()).toBe('token')
  })

  it('is a guest when the cookie is no longer good, and does not ask again next time', async () => {
    remember('signed-in', '1')
    serve({ '/api/auth/refresh': () => answer(401) })
    const session = useSession()
    await session.start()
    expect([session.phase, recall('signed-in')]).toEqual(['guest', null])
  })

  it('signs nobody out because the server is away', async () => {
    remember('signed-in', '1')
    serve({ '/api/auth/refresh': () => answer(503) })
    const session = useSession()
    await session.start()
    expect([session.phase, recall('signed-in')]).toEqual(['unreachable', '1'])
    serve({ '/api/auth/refresh': () => answer(200, signed) })
    await session.start()
    expect(session.phase).toBe('signed-in')
  })

  it('signs in and out, and tells the other tabs', async () => {
    serve({ '/api/auth/login': () => answer(200, signed), '/api/auth/logout': () => answer(204) })
    const session = useSession()
    const heard: unknown[] = []
    new FakeChannel().onmessage = (event) => heard.push(event.data)
    await session.signIn('lin', 'secret')
    expect(session.isSignedIn).toBe(true)
    await session.signOut()
    expect([session.isSignedIn, session.ended, currentToken()]).toEqual([false, false, null])
    expect(heard).toEqual(['signed-in', 'signed-out'])
  })

  it('follows another tab', async () => {
    serve({ '/api/auth/refresh': () => answer(200, signed) })
    const session = useSession()
    const other = new FakeChannel()
    other.postMessage('signed-in')
    await vi.waitFor(() => {
      expect(session.isSignedIn).toBe(true)
    })
    other.postMessage('signed-out')
    expect([session.isSignedIn, session.ended]).toEqual([false, false])
  })

  it('stays signed in when the server could not hear the sign-out', async () => {
    serve({ '/api/auth/login': () => answer(200, signed), '/api/auth/logout': () => answer(503) })
    const session = useSession()
    await session.signIn('lin', 'secret')
    await expect(session.signOut()).rejects.toMatchObject({ status: 503 })
    expect(session.isSignedIn).toBe(true)
  })

  it('knows that a session ended by itself', async () => {
    serve({ '/api/auth/login': () => answer(200, signed) })
    const session = useSession()
    await session.signIn('lin', 'secret')
    setSigned(null)
    expect([session.isSignedIn, session.ended]).toEqual([false, true])
  })
})
