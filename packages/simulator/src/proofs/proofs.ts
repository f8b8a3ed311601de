import { overloadOverSockets } from '../sockets/overload.ts'
import { tailLatencyOverSockets } from '../sockets/tail-latency.ts'
import { wedgedOverSockets } from '../sockets/wedged.ts'
import { experiments } from './experiments.ts'
import { modelCheck } from './model-check.ts'
import { planted } from './planted.ts'
import type { Proof } from './proof.ts'
import { randomWorlds } from './random-worlds.ts'

/** What runs one after the other once the scenarios in virtual time are done, by the name that `pnpm prove --only` takes. */
export const PROOFS: Readonly<Record<string, Proof>> = {
  'random-worlds': randomWorlds,
  planted,
  'model-check': modelCheck,
  experiments,
  'overload-sockets': {
    title: '2× overload over real sockets, 30 s',
    hasOneSize: true,
    run: ({ seed }) => overloadOverSockets(seed),
  },
  'wedged-sockets': {
    title: 'wedged backend over real sockets, 55 s',
    hasOneSize: true,
    run: () => wedgedOverSockets(),
  },
  'tail-latency-sockets': {
    title: 'p99 latency over real sockets, 55 s',
    hasOneSize: true,
    run: ({ seed }) => tailLatencyOverSockets(seed),
  },
}
