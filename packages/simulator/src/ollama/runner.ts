import type { Exchange } from '../wire/exchange.ts'
import { DEFAULT_CTX } from './prompt-window.ts'

/** A request that wants a loaded model; `needsSlot` is false for one that only loads it. */
export interface Job {
  readonly loadOptions: string
  readonly keepAliveMs: number | undefined
  readonly needsSlot: boolean
  readonly exchange: Exchange
  /** The model is there, and a slot where one is needed. */
  start(): void
}

/** What a runner is told of its surroundings. */
export interface RunnerDeps {
  readonly nowMs: () => number
  readonly slots: () => number
  readonly keepAliveMs: number
  /** Begins a load: makes room in memory and calls `loaded` when it is done; the returned function breaks it off. */
  readonly load: (runner: Runner) => (() => void) | undefined
  /** Nobody uses it any more: there may be room for another one. */
  readonly onIdle: () => void
  /** A load that began then is broken off because the client that had caused it has left. */
  readonly onBrokenOff: (exchange: Exchange, sinceMs: number) => void
  /** It is loaded anew as that request names other options than it was loaded with. */
  readonly onReload: (exchange: Exchange, model: string, loadOptions: string) => void
}

/**
 * One model of one Ollama: in memory or not, its slots, and the line of those who wait. The line has no end and knows no
 * 503, as in the real one; the first who waits for a load is the one who loads, and takes the load along when he leaves.
 */
export class Runner {
  readonly model: string
  readonly #deps: RunnerDeps
  #phase: 'absent' | 'loading' | 'loaded' = 'absent'
  readonly #waiting: Job[] = []
  readonly #line: Job[] = []
  readonly #running = new Set<Job>()
  #loadOptions = ''
  #stopLoading: (() => void) | undefined
  #loadingSinceMs = 0
  #usedAtMs = 0
  #keepAliveMs: number
  /** A use of it has ended since it was loaded: only then is the time fixed at which it expires. */
  #wasUsed = false
  #isOutgrown = false

  constructor(model: string, deps: RunnerDeps) {
    this.model = model
    this.#deps = deps
    this.#keepAliveMs = deps.keepAliveMs
  }

  get phase(): 'absent' | 'loading' | 'loaded' {
    this.#expire()
    return this.#phase
  }

  get isIdle(): boolean {
    return this.#phase === 'loaded' && this.#running.size === 0 && this.#line.length === 0
  }

  get waitingForLoad(): number {
    return this.#waiting.length
  }

  get usedAtMs(): number {
    return this.#usedAtMs
  }

  /** When it leaves memory, on the clock of the deps; moves with the time until its first use has ended. */
  get expiresAtMs(): number {
    const fromMs = this.#wasUsed && this.#running.size === 0 ? this.#usedAtMs : this.#deps.nowMs()
    return fromMs + this.#keepAliveMs
  }

  /** The context it has, in tokens. @param most that the model takes */
  numCtx(most: number = Number.POSITIVE_INFINITY): number {
    const [named] = JSON.parse(this.#loadOptions === '' ? '[]' : this.#loadOptions) as (number | null)[]
    return Math.min(named ?? DEFAULT_CTX, most)
  }

  /** It is in memory from the start. */
  preload(): void {
    this.#phase = 'loaded'
    this.#loadOptions = '[null,null,null,null]'
    this.#usedAtMs = this.#deps.nowMs()
    this.#wasUsed = true
  }

  enter(job: Job): void {
    this.#expire()
    if (this.#phase === 'loaded' && job.loadOptions !== this.#loadOptions && this.isIdle) this.#outgrow()
    // Behind one that needs it loaded anew all others wait, as the real one takes them in order.
    const isNext = this.#waiting.length === 0
    if (this.#phase === 'loaded' && job.loadOptions === this.#loadOptions && isNext) this.#admit(job)
    else {
      this.#waiting.push(job)
      this.tryLoad()
    }
  }

  /** It has been served, or its client has left. */
  leave(job: Job): void {
    if (this.#running.delete(job)) {
      this.#usedAtMs = this.#deps.nowMs()
      this.#wasUsed = true
      if (job.keepAliveMs !== undefined) this.#keepAliveMs = job.keepAliveMs
      this.#next()
      return
    }
    remove(this.#line, job)
    const wasLoader = this.#waiting[0] === job
    if (!remove(this.#waiting, job)) return
    this.#admitFitting()
    if (wasLoader && this.#stopLoading !== undefined) {
      this.#stopLoading()
      this.#deps.onBrokenOff(job.exchange, this.#loadingSinceMs)
      this.#forget()
      this.tryLoad()
    }
  }

  /** Begins to load if somebody waits for it and there is room. */
  tryLoad(): void {
    const first = this.#waiting[0]
    if (first === undefined || this.#phase === 'loading') return
    // With other options it has to be loaded anew, once those who use it have ended.
    if (this.#phase === 'loaded') {
      if (!this.isIdle) return
      this.#outgrow()
    }
    const stop = this.#deps.load(this)
    if (stop === undefined) return
    this.#phase = 'loading'
    this.#loadOptions = first.loadOptions
    this.#stopLoading = stop
    if (this.#isOutgrown) this.#deps.onReload(first.exchange, this.model, first.loadOptions)
    this.#isOutgrown = false
    this.#loadingSinceMs = this.#deps.nowMs()
  }

  loaded(): void {
    this.#phase = 'loaded'
    this.#stopLoading = undefined
    this.#usedAtMs = this.#deps.nowMs()
    this.#wasUsed = false
    const fitting = this.#waiting.filter(({ loadOptions }) => loadOptions === this.#loadOptions)
    for (const job of fitting) remove(this.#waiting, job)
    for (const job of fitting) this.#admit(job)
    if (this.isIdle) this.#next()
  }

  /** The process of this model has died: returns those that it served. Who waits for a load has it loaded again. */
  crash(): Job[] {
    if (this.#phase !== 'loaded') return []
    const victims = [...this.#running, ...this.#line]
    this.#running.clear()
    this.#line.length = 0
    this.#forget()
    this.tryLoad()
    return victims
  }

  /** All has died with the Ollama. */
  clear(): void {
    this.#stopLoading?.()
    this.#running.clear()
    this.#line.length = 0
    this.#waiting.length = 0
    this.#forget()
  }

  /** It leaves memory to make room; only when idle. */
  evict(): void {
    this.#forget()
  }

  /** Whoever stood behind one that needed it loaded anew, and is the next now. */
  #admitFitting(): void {
    while (this.#phase === 'loaded' && this.#waiting[0]?.loadOptions === this.#loadOptions) {
      this.#admit(this.#waiting.shift() as Job)
    }
  }

  #admit(job: Job): void {
    this.#usedAtMs = this.#deps.nowMs()
    if (!job.needsSlot) {
      if (job.keepAliveMs !== undefined) this.#keepAliveMs = job.keepAliveMs
      this.#wasUsed = true
      job.start()
    } else if (this.#running.size < this.#deps.slots()) {
      this.#running.add(job)
      job.start()
    } else this.#line.push(job)
  }

  #next(): void {
    while (this.#running.size < this.#deps.slots()) {
      const job = this.#line.shift()
      if (job === undefined) break
      this.#running.add(job)
      job.start()
    }
    if (!this.isIdle) return
    this.tryLoad()
    this.#deps.onIdle()
  }

  #expire(): void {
    if (this.isIdle && this.#wasUsed && this.#deps.nowMs() >= this.#usedAtMs + this.#keepAliveMs) this.#forget()
  }

  /** It was in memory, but with other options than are asked for. */
  #outgrow(): void {
    this.#forget()
    this.#isOutgrown = true
  }

  #forget(): void {
    this.#phase = 'absent'
    this.#isOutgrown = false
    this.#stopLoading = undefined
    this.#keepAliveMs = this.#deps.keepAliveMs
    this.#wasUsed = false
  }
}

function remove(jobs: Job[], job: Job): boolean {
  const index = jobs.indexOf(job)
  if (index === -1) return false
  jobs.splice(index, 1)
  return true
}
