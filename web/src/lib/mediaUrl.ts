/**
 * Where media lives, seen from this page (design: Addresses).
 *
 * The API gives media addresses as a path (`/live/…`, `/vod/…`, `/t/<token>/…`) when the media address is `auto`, and
 * the page puts its own scheme and host in front:
 * - behind an https proxy everything is one origin, so the path stands under the page's own origin;
 * - otherwise the page's host name with the port of the live or the file process.
 * A configured absolute address is used as it is.
 */

export interface MediaAddresses {
  public_url: string | null
  media: {
    /** Absolute http(s) address of all media; null for `auto`. */
    url: string | null
    /** Port of the live process. */
    port: number
    /** Port of the file process. */
    files_port: number
  }
}

/** Which process answers: `live` for streams, `files` for recordings, downloads and posters. */
export type MediaProcess = 'live' | 'files'

type PageLocation = Pick<Location, 'protocol' | 'hostname' | 'origin'>

/** Origin (scheme, host, port) of a media process, without a trailing slash. */
export function mediaOrigin(addresses: MediaAddresses, process: MediaProcess, page: PageLocation = location): string {
  const { url, port, files_port } = addresses.media
  if (url !== null) return url.replace(/\/+$/, '')
  if (isOneOrigin(addresses, page)) return page.origin
  return `${page.protocol}//${page.hostname}:${String(process === 'live' ? port : files_port)}`
}

/** Absolute address of `path`, which the API may already give as absolute. Throws on any scheme but http(s). */
export function mediaUrl(
  path: string,
  addresses: MediaAddresses,
  process: MediaProcess,
  page: PageLocation = location,
): string {
  if (/^https?:\/\//i.test(path)) return path
  if (!path.startsWith('/') || path.startsWith('//')) throw new Error(`not a media path: ${path}`)
  return mediaOrigin(addresses, process, page) + path
}

/** A page that came over https cannot load plain http media (mixed content), so a proxy must map it. */
function isOneOrigin(addresses: MediaAddresses, page: PageLocation): boolean {
  return page.protocol === 'https:' || Boolean(addresses.public_url?.startsWith('https://'))
}
