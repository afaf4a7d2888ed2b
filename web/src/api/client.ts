/** The typed client of our own API. Addresses are always of the page's own origin. */
import createClient from 'openapi-fetch'
import { networkError, toApiError } from './errors'
import type { paths } from './generated/schema'
import { currentToken, refreshToken } from './token'

let language: string | null = null

/** Language in which the server words its messages. */
export function setApiLanguage(lang: string): void {
  language = lang
}

/** Sends with the access token; after a 401 it refreshes once and sends again. */
export async function authorisedFetch(request: Request): Promise<Response> {
  const token = currentToken()
  const spare = request.clone()
  const response = await send(request, token)
  if (response.status !== 401 || token === null) return response
  const renewed = currentToken() !== token || (await refreshToken())
  return renewed ? send(spare, currentToken()) : response
}

/** The key of the link that led to this page: what is unlisted opens only with it. */
function linkKey(): string | null {
  return new URLSearchParams(globalThis.location.search).get('key')
}

async function send(request: Request, token: string | null): Promise<Response> {
  const key = linkKey()
  if (key !== null) request.headers.set('X-Link-Key', key.slice(0, 64))
  if (token !== null) request.headers.set('Authorization', `Bearer ${token}`)
  if (language !== null) request.headers.set('Accept-Language', language)
  request.headers.set('X-CSRF', '1')
  return fetch(request).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw networkError()
  })
}

export const api = createClient<paths>({ baseUrl: globalThis.location.origin, fetch: authorisedFetch })

interface Answer {
  data?: unknown
  error?: unknown
  response: Response
}

/** The body of a successful answer; throws `ApiError` for any other. */
export async function call<R extends Answer>(pending: Promise<R>): Promise<Exclude<R['data'], undefined>> {
  const { data, error, response } = await pending
  if (!response.ok) throw toApiError(response.status, error)
  return data as Exclude<R['data'], undefined>
}
