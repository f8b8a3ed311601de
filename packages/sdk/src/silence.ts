import type { SdkRuntime } from './runtime/runtime.ts'

/** Silence is measured in thirds, so that one timer is enough for a stream of any length. */
const TICKS = 3

/** Counts what arrives over all connections of one client. */
export interface Pulse {
  beats: number
}

/** What is watched, and how. */
export interface SilenceOptions {
  readonly silenceMs: number
  /** A number that grows with each sign of life. */
  readonly heard: () => number
  /** Called once, when nothing was heard for too long. */
  readonly onDead: () => void
}

/**
 * Calls `onDead` once nothing was heard for `silenceMs`, at most a third later. The returned function ends the watch.
 *
 * It counts ticks of one slow timer instead of reading a clock or setting a timer per token: a machine that slept, or a
 * tab whose timers were held back, has then missed ticks and not its connection.
 */
export function watchSilence(options: SilenceOptions, runtime: SdkRuntime): () => void {
  let last = options.heard()
  let quiet = 0
  let cancel: () => void
  const tick = (): void => {
    const now = options.heard()
    quiet = now === last ? quiet + 1 : 0
    last = now
    if (quiet === TICKS) options.onDead()
    else cancel = runtime.setTimer(options.silenceMs / TICKS, tick)
  }
  cancel = runtime.setTimer(options.silenceMs / TICKS, tick)
  return () => cancel()
}
