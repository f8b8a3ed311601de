/** Where the time comes from. Injected, so that every policy runs in virtual time under test. */
export interface Clock {
  /** Epoch milliseconds; for people and for wires only, it can jump. */
  nowMs(): number
  /** Milliseconds that never go back; for every duration and deadline. */
  monotonicMs(): number
}

/** A timer that was set and can be taken back. */
export interface Timer {
  cancel(): void
}

/** Sets timers. A `background` one serves nobody who waits, and does not keep the process alive. */
export interface Timers {
  set(delayMs: number, fire: () => void, kind?: 'background'): Timer
}

/** Numbers in [0, 1). */
export interface Random {
  next(): number
}

/** All that makes a run differ from the last one, in one object. */
export interface Runtime {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}
