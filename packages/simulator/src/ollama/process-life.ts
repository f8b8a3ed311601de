import type { VirtualClock } from '../time/virtual-clock.ts'

/** The process of one Ollama: it lives, stands still, is stuck or is dead, and so is what it has set out to do later. */
export class ProcessLife {
  readonly #clock: VirtualClock
  readonly #parked: (() => void)[] = []
  #isUp = true
  #isFrozen = false
  #isWedged = false
  #count = 0

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  get nowMs(): number {
    return this.#clock.nowMs
  }

  get isUp(): boolean {
    return this.#isUp
  }

  get isFrozen(): boolean {
    return this.#isFrozen
  }

  get isWedged(): boolean {
    return this.#isWedged
  }

  /** Counts its lives: what was begun in an earlier one is gone. */
  get count(): number {
    return this.#count
  }

  freeze(): void {
    this.#isFrozen = true
  }

  thaw(): void {
    this.#isFrozen = false
    if (this.#isWedged) return
    for (const work of this.#parked.splice(0)) work()
  }

  wedge(): void {
    this.#isWedged = true
  }

  kill(): void {
    this.#isUp = false
    this.#isFrozen = false
    this.#isWedged = false
    this.#count++
    this.#parked.length = 0
  }

  start(): void {
    this.#isUp = true
  }

  /** Does it after that time, or once the process is not stuck any more; never in a later life. */
  later(delayMs: number, work: () => void): void {
    const life = this.#count
    this.#clock.at(delayMs, () => {
      if (life !== this.#count) return
      if (this.#isFrozen || this.#isWedged) this.park(work)
      else work()
    })
  }

  /** Does it once it is not stuck any more. */
  park(work: () => void): void {
    this.#parked.push(work)
  }
}
