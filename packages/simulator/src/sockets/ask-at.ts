import { setTimeout as sleep } from 'node:timers/promises'

/** A call to be made, and when. */
export interface Arrival {
  readonly atMs: number
  readonly tokens: number
}

/** Makes each call at its time, whatever became of those before it, and waits for all. */
export async function askAt(arrivals: readonly Arrival[], ask: (arrival: Arrival) => Promise<void>): Promise<void> {
  const startedAtMs = performance.now()
  const asked: Promise<void>[] = []
  for (const arrival of arrivals) {
    const leftMs = startedAtMs + arrival.atMs - performance.now()
    if (leftMs > 0) await sleep(leftMs)
    asked.push(ask(arrival))
  }
  await Promise.all(asked)
}
