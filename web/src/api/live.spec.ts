import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { networkError, toApiError } from './errors'
import { LiveConnection, parseMessage, type LiveState } from './live'

/** The browser's WebSocket as far as the connection uses it. */
class FakeSocket {
  readyState = 0
  sent: Record<string, string>[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  closed = false

  constructor(readonly protocols: string[]) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, string>)
  }
  close(): void {
    this.closed = true
    this.readyState = 3
  }
  open(): void {
    this.readyState = 1
    this.onopen?.()
  }
  say(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) })
  }
  drop(code = 1006): void {
    this.readyState = 3
    this.onclose?.({ code })
  }
}

let sockets: FakeSocket[]
let tickets: () => Promise<string>
let ended: ReturnType<typeof vi.fn>
let live: LiveConnection
let states: LiveState[]

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)
const last = (): FakeSocket => sockets.at(-1)!

beforeEach(() => {
  vi.useFakeTimers()
  sockets = []
  states = []
  let count = 0
  tickets = () => Promise.resolve(`t${String((count += 1))}`)
  ended = vi.fn()
  live = new LiveConnection({
    ticket: () => tickets(),
    open: (protocols) => {
      sockets.push(new FakeSocket(protocols))
      return last() as unknown as WebSocket
    },
    onSessionEnded: ended as () => void,
  })
  live.watch((state) => states.push(state))
})
afterEach(() => {
  live.close()
  vi.useRealTimers()
})

describe('LiveConnection', () => {
  it('opens with the first subscription, offering the ticket as a sub-protocol', async () => {
    live.subscribe('jobs', { onMessage: vi.fn() })
    await settle()
    expect(last().protocols).toEqual(['onetake', 'ticket.t1'])
    last().open()
    expect(last().sent).toEqual([{ type: 'subscribe', topic: 'jobs' }])
    expect(states).toEqual(['idle', 'connecting', 'open'])
  })

  it('brings messages to those who listen to the topic, and to nobody else', async () => {
    const jobs = vi.fn()
    const system = vi.fn()
    live.subscribe('jobs', { onMessage: jobs })
    live.subscribe('system', { onMessage: system })
    await settle()
    last().open()
    last().say({ topic: 'jobs', event: 'updated', data: { id: 1 } })
    last().say({ type: 'pong' })
    last().say('nonsense')
    expect(jobs.mock.calls).toEqual([[{ topic: 'jobs', event: 'updated', data: { id: 1 } }]])
    expect(system).not.toHaveBeenCalled()
  })

  it('comes back with a fresh ticket and subscribes again, later and later', async () => {
    const onSubscribed = vi.fn()
    live.subscribe('jobs', { onMessage: vi.fn(), onSubscribed })
    await settle()
    last().open()
    last().say({ type: 'subscribed', topic: 'jobs' })
    last().drop()
    expect(live.state).toBe('waiting')
    await vi.advanceTimersByTimeAsync(1000)
    expect(last().protocols).toEqual(['onetake', 'ticket.t2'])
    last().drop()
    await vi.advanceTimersByTimeAsync(999)
    expect(sockets).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(1001)
    expect(sockets).toHaveLength(3)
    last().open()
    expect(last().sent).toEqual([{ type: 'subscribe', topic: 'jobs' }])
    last().say({ type: 'subscribed', topic: 'jobs' })
    expect(onSubscribed).toHaveBeenCalledTimes(2)
  })

  it('tries at once when told that the network is back', async () => {
    live.subscribe('jobs', { onMessage: vi.fn() })
    await settle()
    last().drop()
    live.retryNow()
    await settle()
    expect(sockets).toHaveLength(2)
  })

  it('waits and tries again when the ticket cannot be got, but not when it is refused', async () => {
    tickets = () => Promise.reject(networkError())
    live.subscribe('jobs', { onMessage: vi.fn() })
    await settle()
    expect(live.state).toBe('waiting')
    tickets = () => Promise.reject(toApiError(403, null))
    await vi.advanceTimersByTimeAsync(1000)
    expect(live.state).toBe('idle')
    expect(sockets).toHaveLength(0)
  })

  it('asks about the session when the server closes because of it', async () => {
    live.subscribe('jobs', { onMessage: vi.fn() })
    await settle()
    last().open()
    last().drop(4401)
    expect(ended).toHaveBeenCalledTimes(1)
  })

  it('closes a moment after the last subscription, and stays for a new one', async () => {
    const stop = live.subscribe('jobs', { onMessage: vi.fn() })
    await settle()
    last().open()
    stop()
    live.subscribe('system', { onMessage: vi.fn() })()
    expect(last().sent.map((message) => message['type'])).toEqual(['subscribe', 'unsubscribe', 'subscribe', 'unsubscribe'])
    await vi.advanceTimersByTimeAsync(2000)
    expect(last().closed).toBe(true)
    expect(live.state).toBe('idle')
  })

  it('says ping so that no proxy falls asleep', async () => {
    live.subscribe('jobs', { onMessage: vi.fn() })
    await settle()
    last().open()
    await vi.advanceTimersByTimeAsync(50_000)
    expect(last().sent.filter((message) => message['type'] === 'ping')).toHaveLength(2)
  })

  it('opens nothing when everybody left before the ticket came', async () => {
    live.subscribe('jobs', { onMessage: vi.fn() })()
    await settle()
    expect(sockets).toHaveLength(0)
    expect(live.state).toBe('idle')
  })
})

describe('parseMessage', () => {
  it.each([null, 7, '', '{', '[]', 'null', '"x"', '{"topic":5}', '{"topic":"a"}', '{"topic":"a","event":7}'])('ignores %j', (text) => {
    expect(parseMessage(text)).toBeNull()
  })
})
