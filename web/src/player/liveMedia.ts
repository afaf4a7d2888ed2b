/** A live source as a player takes it. */
import type { components } from '@/api/generated/schema'
import { mediaUrl, type MediaAddresses } from '@/lib/mediaUrl'
import type { PlayerMedia } from './media'

export interface LiveFacts {
  title: string
  isLive: boolean
  /** Since when it is live; null while that is not known. */
  since: string | null
  /** When the addresses were read, in ms since 1970. */
  readAtMs: number
  /** Path of a picture of what it shows. */
  poster: string | null
}

export function liveMedia(play: components['schemas']['LivePlay'], facts: LiveFacts, addresses: MediaAddresses): PlayerMedia {
  const { title, isLive, since, readAtMs, poster } = facts
  const address = (path: string): string => mediaUrl(path, addresses, 'live')
  const sinceMs = since === null ? readAtMs : Date.parse(since)
  return {
    title,
    vodUrl: null,
    liveUrl: address(play.live_url),
    flvUrl: address(play.flv_url),
    shift: play.time_shift_url === null ? null : { url: address(play.time_shift_url), limitS: play.time_shift_s, sinceMs },
    posterUrl: poster === null ? null : address(poster),
    storyboardUrl: null,
    isLive,
    duration: 0,
    readAtMs,
  }
}
