/**
 * Live updates over one WebSocket (`/api/ws`). It opens with the first subscription and closes after the last one,
 * comes back by itself after a loss (back-off, or at once when the browser is online again) and subscribes anew.
 */
import { backoffMs } from '@/lib/backoff'
import { api, call } from './client'
import { ApiError } from './errors'
import { refreshToken } from './token'

export type LiveState = 'idle' | 'connecting' | 'open' | 'waiting'

export interface LiveMessage {
  topic: string
  event: string
  data: unknown
}

export interface Subscriber {
  onMessage: (message: LiveMessage) => void
  /** Called whenever the server begins to send the topic: what happened before may have been missed. */
  onSubscribed?: () => void
}

export interface LiveOptions {
  ticket: () => Promise<string>
  open: (protocols: string[]) => WebSocket
  /** The server closed because the session is over. */
  onSessionEnded: () => void
}

const PING_MS = 25_000
const LINGER_MS = 2000
const SESSION_ENDED = 4401

export class LiveConnection {
  private socket: WebSocket | null = null
  private attempt = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private pinger: ReturnType<typeof setInterval> | undefined
  private readonly topics = new Map<string, Set<Subscriber>>()
  private readonly watchers = new Set<(state: LiveState) => void>()
  private current: LiveState = 'idle'

  constructor(private readonly options: LiveOptions) {}

  get state(): LiveState {
    return this.current
  }

  /** Calls `watcher` now and at every change of the state; gives a function that stops it. */
  watch(watcher: (state: LiveState) => void): () => void {
    this.watchers.add(watcher)
    watcher(this.current)
    return () => this.watchers.delete(watcher)
  }

  /** Listens to `topic`; gives a function that stops it. */
  subscribe(topic: string, subscriber: Subscriber): () => void {
    const others = this.topics.get(topic)
    if (others) others.add(subscriber)
    else {
      this.topics.set(topic, new Set([subscriber]))
      this.send({ type: 'subscribe', topic })
    }
    if (this.current === 'idle') void this.connect()
    else if (others && this.current === 'open') subscriber.onSubscribed?.()
    return () => {
      this.unsubscribe(topic, subscriber)
    }
  }

  /** Tries now instead of waiting for the back-off to end. */
  retryNow(): void {
    if (this.current === 'waiting') void this.connect()
  }

  /** Ends the connection and forgets all subscriptions: somebody signed out. */
  close(): void {
    this.topics.clear()
    this.drop()
  }

  private unsubscribe(topic: string, subscriber: Subscriber): void {
    const subscribers = this.topics.get(topic)
    if (!subscribers?.delete(subscriber) || subscribers.size > 0) return
    this.topics.delete(topic)
    this.send({ type: 'unsubscribe', topic })
    if (this.topics.size === 0) this.dropSoon()
  }

  /** Going from one page to the next unsubscribes and subscribes: the connection waits a moment for that. */
  private dropSoon(): void {
    setTimeout(() => {
      if (this.topics.size === 0) this.drop()
    }, LINGER_MS)
  }

  private drop(): void {
    const socket = this.socket
    this.socket = null
    this.stopTimers()
    socket?.close(1000)
    this.attempt = 0
    this.become('idle')
  }

  private async connect(): Promise<void> {
    this.stopTimers()
    this.become('connecting')
    try {
      const ticket = await this.options.ticket()
      if (this.topics.size === 0) this.drop()
      else this.attach(this.options.open(['onetake', `ticket.${ticket}`]))
    } catch (error) {
      const refused = error instanceof ApiError && !error.isTemporary
      if (refused || this.topics.size === 0) this.drop()
      else this.retryLater()
    }
  }

  private attach(socket: WebSocket): void {
    this.socket = socket
    socket.onopen = () => {
      this.opened()
    }
    socket.onmessage = (event: MessageEvent<unknown>) => {
      this.received(event.data)
    }
    socket.onclose = (event: CloseEvent) => {
      if (this.socket !== socket) return
      this.retryLater()
      if (event.code === SESSION_ENDED) this.options.onSessionEnded()
    }
  }

  private opened(): void {
    this.attempt = 0
    this.become('open')
    for (const topic of this.topics.keys()) this.send({ type: 'subscribe', topic })
    this.pinger = setInterval(() => {
      this.send({ type: 'ping' })
    }, PING_MS)
  }

  private received(text: unknown): void {
    const message = parseMessage(text)
    if (message === null) return
    this.topics.get(message.topic)?.forEach((subscriber) => {
      if (message.event === null) subscriber.onSubscribed?.()
      else subscriber.onMessage({ ...message, event: message.event })
    })
  }

  private retryLater(): void {
    this.socket = null
    this.stopTimers()
    this.become('waiting')
    this.timer = setTimeout(() => void this.connect(), backoffMs(this.attempt))
    this.attempt += 1
  }

  private send(message: Record<string, string>): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message))
  }

  private become(state: LiveState): void {
    if (this.current === state) return
    this.current = state
    this.watchers.forEach((watcher) => {
      watcher(state)
    })
  }

  private stopTimers(): void {
    clearTimeout(this.timer)
    clearInterval(this.pinger)
  }
}

/** An update, or with a null event the word that a subscription has begun; null for anything else. */
export function parseMessage(text: unknown): { topic: string; event: string | null; data: unknown } | null {
  const { type, topic, event, data } = parseObject(text)
  if (typeof topic !== 'string') return null
  if (typeof event === 'string') return { topic, event, data }
  return type === 'subscribed' ? { topic, event: null, data: null } : null
}

function parseObject(text: unknown): Record<string, unknown> {
  try {
    const value: unknown = typeof text === 'string' ? JSON.parse(text) : null
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function socketAddress(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/ws`
}

export const live = new LiveConnection({
  ticket: async () => (await call(api.POST('/api/auth/ws-ticket'))).ticket,
  open: (protocols) => new WebSocket(socketAddress(), protocols),
  // A failed refresh tells everybody that the session is over; a good one lets the connection come back.
  onSessionEnded: () => void refreshToken().catch(() => undefined),
})
