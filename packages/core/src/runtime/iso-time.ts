import type { Clock } from './runtime.ts'

/** Now, as Ollama prints an instant. */
export function isoTime(clock: Pick<Clock, 'nowMs'>): string {
  return new Date(clock.nowMs()).toISOString()
}
