/**
 * The access token lives in memory only; the refresh token is an httpOnly cookie that no script sees.
 * A refresh is one flight for all who wait for it, and one at a time over all tabs where the browser has locks.
 */
import { networkError, toApiError } from './errors'
import type { components } from './generated/schema'

export type Signed = components['schemas']['Signed']

type Listener = (signed: Signed | null) => void

let accessToken: string | null = null
let flight: Promise<boolean> | null = null
const listeners = new Set<Listener>()

export function currentToken(): string | null {
  return accessToken
}

/** Takes over the answer of a sign-in or refresh; null signs out. Listeners are told. */
export function setSigned(signed: Signed | null): void {
  accessToken = signed?.access_token ?? null
  listeners.forEach((listener) => {
    listener(signed)
  })
}

/** Calls `listener` at every sign-in, refresh and loss of the session; gives a function that stops it. */
export function onSigned(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/**
 * Gets a new access token by the cookie. Resolves to false when the session is over; throws `ApiError` when the
 * server could not be asked, in which case nobody is signed out.
 */
export function refreshToken(): Promise<boolean> {
  flight ??= lockedRefresh().finally(() => {
    flight = null
  })
  return flight
}

async function lockedRefresh(): Promise<boolean> {
  // Locks exist on https and localhost only; elsewhere the server's tolerance for a twice-used cookie must do.
  const locks = (navigator as Partial<Navigator>).locks
  return locks === undefined ? requestRefresh() : await locks.request('onetake-refresh', requestRefresh)
}

async function requestRefresh(): Promise<boolean> {
  const response = await fetch('/api/auth/refresh', { method: 'POST', headers: { 'X-CSRF': '1' } }).catch(() => {
    throw networkError()
  })
  if (response.ok) {
    setSigned((await response.json()) as Signed)
    return true
  }
  if (response.status !== 401 && response.status !== 403) {
    throw toApiError(response.status, await response.json().catch(() => null))
  }
  setSigned(null)
  return false
}
