/** A timer that was set and can be taken back. */
export interface Timer {
  cancel(): void
}

/** The only place of this package that sets timers; none keeps the process alive. */
export const systemTimers = {
  set(delayMs: number, fire: () => void): Timer {
    const timer = setTimeout(fire, delayMs)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
