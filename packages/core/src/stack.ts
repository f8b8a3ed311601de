import type { Layer, Service } from './service.ts'

/** The layers by name; `build-stack.ts` builds them. Those that are not configured are not there. */
export interface Layers {
  readonly observe: Layer
  readonly deadline: Layer
  readonly degrade?: Layer | undefined
  readonly experiment?: Layer | undefined
  readonly prepare: Layer
  readonly cache?: Layer | undefined
  readonly resume: Layer
  readonly retry: Layer
  readonly hedge: Layer
  readonly dispatch: Layer
  readonly transport: Service
}

/** The whole product in one order, read from top to bottom: the caller is above, the socket below. */
export function createStack(layers: Layers): Service {
  const outermostFirst: (Layer | undefined)[] = [
    layers.observe, //    tells telemetry how the call began and ended; telemetry/log.ts writes the lines
    layers.deadline, //   one time budget for the whole call, carried down
    layers.degrade, //    the ladder when a model cannot answer in its patience; off until configured
    layers.experiment, // fixes the model variant of a call: sticky, weighted, measured; off until configured
    layers.prepare, //    canonical load options, context guard, the request printed once
    layers.cache, //      the same question is answered once, simultaneous askers join one run; off until configured
    layers.resume, //     a stream that breaks goes on from its last character
    layers.retry, //      judges an outcome, waits with nothing leased, tries again
    layers.hedge, //      off by default; a second attempt only on a slot that is idle; the loser is cancelled
    layers.dispatch, //   waits for a slot on an eligible backend, takes queue place, breaker permit and slot as one lease
  ]
  // transport: one undici pool per backend, the timers of silence, one classified error
  return outermostFirst.reduceRight<Service>((next, layer) => layer?.(next) ?? next, layers.transport)
}
