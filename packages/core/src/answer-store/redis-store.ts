import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { createRedisClient } from './redis-client.ts'
import type { CreateRedisClient, RedisClient } from './redis-client.ts'
import type { SecondLevel } from './second-level.ts'

/** Before every key, with the version of what stands behind it. */
const PREFIX = 'surefoot:answer:1:'
/** Nobody waits longer for it than this. */
const PATIENCE_MS = 150
/** The first calls of a process wait for its connection, but no longer than so long after its beginning. */
const OPENING_MS = 500
/** A connection has to be made, and greeted, in this time. */
const CONNECT_TIMEOUT_MS = 5_000
/** When it cannot be reached it is tried again after 50, 100, 200 … 2000 ms; nobody waits for that. */
const AWAY_PAUSES_MS = { first: 50, longest: 2_000 }
/** When it is too slow, after 1, 2, 4 … 30 s: trying it costs calls some time. */
const SLOW_PAUSES_MS = { first: 1_000, longest: 30_000 }
/** Of one that comes and goes it is told once in this time at the most. */
const TOLD_EVERY_MS = 10_000

/** What it is made with. */
export interface RedisStoreDeps {
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>
  readonly telemetry: Pick<Telemetry, 'emit'>
  /** A value that is larger is neither written nor read, in bytes. */
  readonly mostBytes: number
  /** @default a client of the package `redis` */
  readonly createClient?: CreateRedisClient | undefined
}

/**
 * Answers in a Redis or Valkey. It is asked only while there is a connection. One that is away or hangs costs the calls
 * under way at that moment at most 150 ms, those after them nothing, and is used again once it has answered a new
 * connection.
 */
export class RedisStore implements SecondLevel {
  readonly #url: string
  readonly #deps: RedisStoreDeps
  /** The connection, once it is made. */
  #client: RedisClient | undefined
  /** Until it is known for the first time whether it can be reached. */
  #opening: PromiseWithResolvers<void> | undefined = Promise.withResolvers()
  /** What happens next to the connection: it is made, or given up. */
  #timer: Timer | undefined
  #connecting: Promise<void>
  /** Ends the making of the connection that is being made. */
  #giveUp: ((fault: unknown) => void) | undefined
  readonly #running = new Set<Promise<unknown>>()
  #timesAway = 0
  #timesSlow = 0
  #told: { readonly atMs: number; isBack: boolean } | undefined
  #isClosed = false

  constructor(url: string, deps: RedisStoreDeps) {
    this.#url = url
    this.#deps = deps
    this.#connecting = this.#connect()
    const timer = deps.runtime.timers.set(OPENING_MS, () => this.#opened(), 'background')
    void this.#opening?.promise.then(() => timer.cancel())
  }

  get isUp(): boolean {
    return !this.#isClosed && (this.#opening !== undefined || this.#client !== undefined)
  }

  async get(key: string): Promise<string | undefined> {
    const { mostBytes } = this.#deps
    await this.#opening?.promise
    // No more is fetched than may be kept: others can write to it too.
    const written = (await this.#bounded((client) => client.getRange(PREFIX + key, 0, mostBytes))) ?? ''
    return written === '' || Buffer.byteLength(written) > mostBytes ? undefined : written
  }

  set(key: string, written: string, forMs: number): void {
    if (this.#isClosed || Buffer.byteLength(written) > this.#deps.mostBytes) return
    const expiration = { type: 'PX', value: Math.ceil(forMs) } as const
    const write = (): unknown => this.#bounded((client) => client.set(PREFIX + key, written, { expiration }))
    if (this.#opening === undefined) write()
    else void this.#opening.promise.then(write)
  }

  /** Waits for what is being written, then lets go. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#giveUp?.(new Error('CLOSED'))
    this.#opened()
    await Promise.all(this.#running)
    const client = this.#client
    this.#client = undefined
    client?.destroy()
    await this.#connecting
  }

  async #connect(): Promise<void> {
    const { createClient = createRedisClient } = this.#deps
    let client: RedisClient | undefined
    const given = Promise.withResolvers<never>()
    this.#giveUp = given.reject
    // It may be given up before anybody waits for it.
    given.promise.catch(() => {})
    try {
      client = await createClient(this.#url)
      client.on('error', (fault) => {
        given.reject(fault)
        if (client !== undefined && client === this.#client) this.#lose(fault, this.#awayMs())
      })
      this.#timer = this.#deps.runtime.timers.set(
        CONNECT_TIMEOUT_MS,
        () => given.reject(new Error('TIMEOUT')),
        'background',
      )
      await Promise.race([this.#isClosed ? undefined : client.connect(), given.promise])
      this.#timer.cancel()
      if (this.#isClosed) return client.destroy()
      this.#client = client
      this.#timesAway = 0
      this.#opened()
      this.#tellBack()
    } catch (fault) {
      this.#timer?.cancel()
      client?.destroy()
      this.#lose(fault, this.#awayMs())
    }
  }

  /** From now on nobody asks it; after a while there is a new connection. */
  #lose(fault: unknown, againInMs: number): void {
    const client = this.#client
    this.#client = undefined
    client?.destroy()
    this.#opened()
    if (this.#isClosed) return
    this.#tellFault(fault)
    this.#timer = this.#deps.runtime.timers.set(
      againInMs,
      () => {
        this.#connecting = this.#connect()
      },
      'background',
    )
  }

  /** Never rejects, and resolves in time: to `undefined` where it could not be done. */
  #bounded<T>(act: (client: RedisClient) => Promise<T>): Promise<T | undefined> {
    const client = this.#client
    if (client === undefined) return Promise.resolve(undefined)
    const { promise, resolve } = Promise.withResolvers<T | undefined>()
    const { timers } = this.#deps.runtime
    const tooLate = (): void => {
      resolve(undefined)
      // Of those that wait at the same time the first one is enough.
      if (client === this.#client) this.#lose(new Error('TIMEOUT'), pauseMs(SLOW_PAUSES_MS, this.#timesSlow++))
    }
    let timer = timers.set(PATIENCE_MS, () => {
      // Where this process was busy for so long, what was answered in time is read only now.
      timer = timers.set(0, tooLate)
    })
    act(client).then(
      (value) => {
        timer.cancel()
        this.#timesSlow = 0
        this.#tellBack()
        resolve(value)
      },
      (fault: unknown) => {
        timer.cancel()
        // It answered: what it refuses now, it may do later.
        if (client === this.#client) this.#tellFault(fault)
        resolve(undefined)
      },
    )
    this.#running.add(promise)
    void promise.then(() => this.#running.delete(promise))
    return promise
  }

  #opened(): void {
    this.#opening?.resolve()
    this.#opening = undefined
  }

  #awayMs(): number {
    return pauseMs(AWAY_PAUSES_MS, this.#timesAway++)
  }

  #tellFault(fault: unknown): void {
    const atMs = this.#deps.runtime.clock.monotonicMs()
    const told = this.#told
    if (told !== undefined && (!told.isBack || atMs - told.atMs < TOLD_EVERY_MS)) return
    this.#told = { atMs, isBack: false }
    this.#deps.telemetry.emit({ type: 'cache-store-out', problem: problemOf(fault) })
  }

  #tellBack(): void {
    if (this.#told === undefined || this.#told.isBack) return
    this.#told.isBack = true
    this.#deps.telemetry.emit({ type: 'cache-store-back' })
  }
}

function pauseMs({ first, longest }: typeof AWAY_PAUSES_MS, times: number): number {
  return Math.min(first * 2 ** times, longest)
}

/** One word, as addresses may hold passwords and some replies repeat what was sent. */
function problemOf(fault: unknown): string {
  if (!(fault instanceof Error)) return 'FAILED'
  const { code } = fault as NodeJS.ErrnoException
  return code ?? /^[A-Z]{3,}\b/.exec(fault.message)?.[0] ?? fault.name
}
