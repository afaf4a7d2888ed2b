/**
 * The bar under a video. While a recording is live it grows, and the whole of it can be watched (DVR): positions at
 * the live edge are counted from the beginning of the recording, whichever stream is being played. Without a recording
 * the bar is the time-shift window, whose beginning moves on with time.
 */
import { isLiveMode, type Mode, type PlayerMedia, rewoundMode } from './media'

/** Nearer to the end than this is "live". */
export const LIVE_EDGE_S = 12

export interface Playhead {
  mode: Mode
  /** Of the media element, in seconds. */
  currentTime: number
  /** Of the media element; may be NaN or Infinity. */
  duration: number
  /** What the media element can seek to; an empty range when nothing. */
  seekableStart: number
  seekableEnd: number
  /** How far the player is behind the live edge; null when unknown. */
  latency: number | null
}

export interface Timeline {
  /** Seconds. */
  length: number
  position: number
  /** True when there is something to seek in. */
  canSeek: boolean
  /** Seconds behind the live edge; null when nothing is live. */
  behind: number | null
}

/** How long a live recording or its window is by now: the server's figure goes on by the clock. */
export function grownLength(media: PlayerMedia, nowMs: number): number {
  if (!media.isLive) return media.duration
  if (rewoundMode(media) === 'shift' && media.shift) {
    return Math.min(media.shift.limitS, Math.max(0, nowMs - media.shift.sinceMs) / 1000)
  }
  return media.duration + Math.max(0, nowMs - media.readAtMs) / 1000
}

export function timelineOf(media: PlayerMedia, head: Playhead, nowMs: number): Timeline {
  if (isLiveMode(head.mode)) return edgeOf(media, head, nowMs)
  return head.mode === 'shift' ? windowOf(media, head, nowMs) : recordingOf(media, head, nowMs)
}

function edgeOf(media: PlayerMedia, head: Playhead, nowMs: number): Timeline {
  const canSeek = rewoundMode(media) !== null
  const length = canSeek ? grownLength(media, nowMs) : 0
  const latency = head.latency ?? 0
  return { length, position: Math.max(0, length - latency), canSeek, behind: media.isLive ? latency : null }
}

function windowOf(media: PlayerMedia, head: Playhead, nowMs: number): Timeline {
  const loaded = head.seekableEnd - head.seekableStart
  const length = loaded > 0 ? loaded : grownLength(media, nowMs)
  const position = Math.min(length, Math.max(0, head.currentTime - head.seekableStart))
  return { length, position, canSeek: length > 0, behind: length - position }
}

function recordingOf(media: PlayerMedia, head: Playhead, nowMs: number): Timeline {
  const known = Number.isFinite(head.duration) && head.duration > 0 ? head.duration : head.seekableEnd
  const length = Math.max(known, media.isLive ? grownLength(media, nowMs) : known || media.duration, head.currentTime)
  const behind = media.isLive ? Math.max(0, length - head.currentTime) : null
  return { length, position: head.currentTime, canSeek: length > 0, behind }
}

/** The bar while that is being loaded which begins at `startAt`: in seconds, in a window back from its end. */
export function arriving(timeline: Timeline, mode: Mode, startAt: number | null): Timeline {
  if (startAt === null || isLiveMode(mode)) return timeline
  const { length } = timeline
  const position = Math.min(length, Math.max(0, mode === 'shift' ? length + startAt : startAt))
  return { ...timeline, position, behind: timeline.behind === null ? null : length - position }
}

/** True while the viewer sees what happens now. */
export function isAtEdge(mode: Mode, timeline: Timeline): boolean {
  return timeline.behind !== null && (isLiveMode(mode) || timeline.behind < LIVE_EDGE_S)
}

/** Where a wish to seek leads: to a second of the recording, or to the live edge. */
export function seekTarget(media: PlayerMedia, timeline: Timeline, wished: number): number | 'live' {
  const second = Math.min(Math.max(0, wished), timeline.length)
  const hasEdge = media.isLive && (media.liveUrl ?? media.flvUrl) !== null
  return hasEdge && timeline.length - second < LIVE_EDGE_S / 2 ? 'live' : second
}
