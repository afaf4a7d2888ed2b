/** How far FLV is behind the event, from the times at which the server says that keyframes came to it. */

export interface Stamp {
  /** When a keyframe came to the server, by the server's clock (Unix ms). */
  unix_ms: number
  /** Where it lies in the stream. */
  dts_ms: number
}

/** Keyframes that may still be played. */
const MOST = 120

export interface FlvClock {
  /** A stamp came at `nowMs` by this machine's clock. */
  note: (stamp: Stamp, nowMs: number) => void
  /** Seconds between the arrival of what is shown at `positionS` and now; null until that can be told. */
  latency: (positionS: number, nowMs: number) => number | null
}

/**
 * The clocks of server and viewer differ, and nobody knows by how much: the stamp that took the shortest way shows it.
 * The first one does not count, as it comes out of the server's cache. The player's time begins with it.
 */
export function flvClock(): FlvClock {
  const stamps: Stamp[] = []
  let beginMs: number | null = null
  let aheadMs = Infinity

  return {
    note: (stamp, nowMs) => {
      if (beginMs === null) beginMs = stamp.dts_ms
      else aheadMs = Math.min(aheadMs, nowMs - stamp.unix_ms)
      stamps.push(stamp)
      if (stamps.length > MOST) stamps.shift()
    },
    latency: (positionS, nowMs) => {
      if (beginMs === null || aheadMs === Infinity) return null
      const dtsMs = beginMs + positionS * 1000
      const stamp = stamps.findLast(({ dts_ms }) => dts_ms <= dtsMs) ?? stamps[0]
      if (!stamp) return null
      return Math.max(0, nowMs - aheadMs - stamp.unix_ms - (dtsMs - stamp.dts_ms)) / 1000
    },
  }
}

/** The stamp in a script message of FLV, if it is one. */
export function stampOf(data: unknown): Stamp | null {
  const stamp = (data as { onWallClock?: Partial<Stamp> } | null)?.onWallClock
  return typeof stamp?.unix_ms === 'number' && typeof stamp.dts_ms === 'number' ? (stamp as Stamp) : null
}
