import type { VirtualClock } from '../time/virtual-clock.ts'
import { Runner } from './runner.ts'
import type { RunnerDeps } from './runner.ts'

/** How much fits, and how long things take. */
export interface MemoryOptions {
  readonly slots: number
  /** Models in memory at the most. */
  readonly mostModels: number
  readonly loadMs: number
  readonly keepAliveMs: number
}

type RunnerTold = Pick<RunnerDeps, 'onBrokenOff' | 'onReload'>

/** The memory of one Ollama: which models are there, and who has to leave when another one comes. */
export class ModelMemory {
  readonly #options: MemoryOptions
  readonly #clock: VirtualClock
  readonly #runnerByModel = new Map<string, Runner>()
  readonly #slow: () => number
  readonly #told: RunnerTold
  /** Loads begun, and those broken off because the client that had caused them left. */
  loads = 0
  abortedLoads = 0

  constructor(options: MemoryOptions, clock: VirtualClock, slow: () => number, told: RunnerTold) {
    this.#options = options
    this.#clock = clock
    this.#slow = slow
    this.#told = told
  }

  get runners(): IterableIterator<Runner> {
    return this.#runnerByModel.values()
  }

  /** Requests that wait for a load. */
  get waitingForLoad(): number {
    let sum = 0
    for (const runner of this.runners) sum += runner.waitingForLoad
    return sum
  }

  runnerOf(model: string): Runner {
    const known = this.#runnerByModel.get(model)
    if (known !== undefined) return known
    const runner = new Runner(model, {
      nowMs: () => this.#clock.nowMs,
      slots: () => this.#options.slots,
      keepAliveMs: this.#options.keepAliveMs,
      load: (loading) => this.#load(loading),
      ...this.#told,
      onIdle: () => {
        for (const other of this.runners) if (other !== runner) other.tryLoad()
      },
    })
    this.#runnerByModel.set(model, runner)
    return runner
  }

  /** All is gone, as after the death of the process. */
  clear(): void {
    for (const runner of this.runners) runner.clear()
  }

  /** Room is made by the idle one that was used the longest ago; while there is none, the load waits. */
  #load(runner: Runner): (() => void) | undefined {
    const others = [...this.runners].filter((other) => other !== runner && other.phase !== 'absent')
    if (others.length >= this.#options.mostModels) {
      const idle = others.filter((other) => other.isIdle).toSorted((a, b) => a.usedAtMs - b.usedAtMs)[0]
      if (idle === undefined) return undefined
      idle.evict()
    }
    this.loads++
    const event = this.#clock.at(this.#options.loadMs * this.#slow(), () => {
      event.cancelled = true
      runner.loaded()
    })
    return () => {
      if (event.cancelled) return
      event.cancelled = true
      this.abortedLoads++
    }
  }
}
