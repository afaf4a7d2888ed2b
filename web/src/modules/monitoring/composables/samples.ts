import type { SystemHistory, SystemLoad } from '@/api/types'
import { Ring } from '@/lib/ring'

/** What the charts draw, at one moment. */
export interface Point {
  atMs: number
  cpu: number
  memory: number
  received: number
  sent: number
  read: number
  written: number
  /** Delay of the API's event loop, in ms. */
  lag: number
  /** The media server's part, null while it is away; rates in bits per second. */
  mediaIn: number | null
  mediaOut: number | null
  viewers: number | null
  streams: number | null
  recordings: number | null
}

type MediaField = 'mediaIn' | 'mediaOut' | 'viewers' | 'streams' | 'recordings'

/** An hour at ten seconds, as the server keeps it, plus the moving head. */
export const CAPACITY = 361

type Sample = SystemHistory['samples'][number]
type Measured = Pick<
  Sample,
  | 'at'
  | 'cpu_percent'
  | 'memory_percent'
  | 'network_rx_bytes_per_s'
  | 'network_tx_bytes_per_s'
  | 'disk_read_bytes_per_s'
  | 'disk_write_bytes_per_s'
  | 'loop_lag_ms'
>

function toMachine(sample: Measured): Omit<Point, MediaField> {
  return {
    atMs: Date.parse(sample.at),
    cpu: sample.cpu_percent,
    memory: sample.memory_percent,
    received: sample.network_rx_bytes_per_s,
    sent: sample.network_tx_bytes_per_s,
    read: sample.disk_read_bytes_per_s,
    written: sample.disk_write_bytes_per_s,
    lag: sample.loop_lag_ms,
  }
}

/** A sample of the history as a point. */
export function sampleToPoint(sample: Sample): Point {
  return {
    ...toMachine(sample),
    mediaIn: sample.media_in_bits_per_s ?? null,
    mediaOut: sample.media_out_bits_per_s ?? null,
    viewers: sample.viewers ?? null,
    streams: sample.streams_live ?? null,
    recordings: sample.recordings ?? null,
  }
}

/** The present load as a point. */
export function loadToPoint(load: SystemLoad): Point {
  const { media } = load
  const shown = (value: number) => (media.reachable ? value : null)
  return {
    ...toMachine(load),
    mediaIn: shown(media.in_bits_per_s),
    mediaOut: shown(media.out_bits_per_s),
    viewers: shown(media.viewers),
    streams: shown(media.streams_live),
    recordings: shown(media.recordings),
  }
}

/** The load in a live message, or null when it is none. */
export function toLoad(data: unknown): SystemLoad | null {
  const isLoad = typeof data === 'object' && data !== null && 'cpu_percent' in data && 'media' in data
  return isLoad ? (data as SystemLoad) : null
}

/**
 * The points of the charts: bounded, and as dense as the server's history. A measurement within a step of the last
 * kept point moves the head; a later one is kept.
 */
export class Series {
  private readonly kept = new Ring<Point>(CAPACITY - 1)
  private head: Point | null = null

  constructor(private stepMs: number) {}

  /** Starts anew from the server's history. */
  load(history: SystemHistory): void {
    this.stepMs = history.step_s * 1000
    this.kept.replace(history.samples.map(sampleToPoint))
    this.head = null
  }

  add(point: Point): void {
    const last = this.kept.last
    if (last !== undefined && point.atMs <= last.atMs) return
    if (last === undefined || point.atMs - last.atMs >= this.stepMs) {
      this.kept.push(point)
      this.head = null
    } else this.head = point
  }

  points(): readonly Point[] {
    return this.head === null ? this.kept.toArray() : [...this.kept.toArray(), this.head]
  }

  /** Longest distance between two points that a line may bridge: beyond it nothing was measured. */
  get gapMs(): number {
    return this.stepMs * 3
  }
}
