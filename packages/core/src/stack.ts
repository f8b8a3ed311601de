import type { Layer, Service } from './service.ts'

/** The layers by name; `surefoot.ts` builds them. */
export interface Layers {
  readonly observe: Layer
  readonly deadline: Layer
  readonly resume: Layer
  readonly retry: Layer
  readonly hedge: Layer
  readonly dispatch: Layer
  readonly transport: Service
}

/** The whole product in one order, read from top to bottom: the caller is above, the socket below. */
export function createStack(layers: Layers): Service {
  const outermostFirst: Layer[] = [
    layers.observe, //  tells telemetry how the call began and ended; telemetry/log.ts writes the lines
    layers.deadline, // one time budget for the whole call, carried down
    layers.resume, //   a stream that breaks goes on from its last character
    layers.retry, //    judges an outcome, waits with nothing leased, tries again
    layers.hedge, //    off by default; a second attempt only on a slot that is idle; the loser is cancelled
    layers.dispatch, // waits for a slot on an eligible backend, takes queue place, breaker permit and slot as one lease
  ]
  // transport: one undici pool per backend, the timers of silence, one classified error
  return outermostFirst.reduceRight((next, layer) => layer(next), layers.transport)
}
