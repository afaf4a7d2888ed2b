import { describe, expect, it } from 'vitest'
import { flvClock, stampOf } from './flvClock'

// The server's clock is 5 s behind this machine's, and the way takes 40 ms at least.
const SERVER = 1_000_000
const here = (serverMs: number, wayMs: number): number => serverMs + 5000 + wayMs

describe('flvClock', () => {
  it('tells the age of what is shown, whatever the clocks say', () => {
    const clock = flvClock()
    clock.note({ unix_ms: SERVER, dts_ms: 60_000 }, here(SERVER + 1500, 40))
    expect(clock.latency(0.5, here(SERVER + 1500, 40))).toBeNull()
    clock.note({ unix_ms: SERVER + 2000, dts_ms: 62_000 }, here(SERVER + 2000, 40))
    clock.note({ unix_ms: SERVER + 4000, dts_ms: 64_000 }, here(SERVER + 4000, 340))
    // At 3.2 s the picture of 63.2 s is shown, which came 1.3 s ago.
    expect(clock.latency(3.2, here(SERVER + 4500, 40))).toBeCloseTo(1.3)
  })

  it('sees what is held up on its way, where the buffer would be small', () => {
    const clock = flvClock()
    for (const at of [0, 2000, 4000]) clock.note({ unix_ms: SERVER + at, dts_ms: at }, here(SERVER + at, 40))
    expect(clock.latency(5.9, here(SERVER + 14_000, 40))).toBeCloseTo(8.1)
  })

  it('reads only its own messages', () => {
    expect(stampOf({ onWallClock: { unix_ms: 1, dts_ms: 2 } })).toEqual({ unix_ms: 1, dts_ms: 2 })
    for (const other of [null, {}, { onMetaData: {} }, { onWallClock: null }, { onWallClock: { unix_ms: '1' } }]) {
      expect(stampOf(other)).toBeNull()
    }
  })
})
