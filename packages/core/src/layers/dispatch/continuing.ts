import type { Backend } from '../../backends/backend.ts'
import type { ContinuationMode } from '../../backends/continuation-mode.ts'
import type { Lease } from '../../backends/lease.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import type { Call, ContinueFrom } from '../../service.ts'

/** Who can go on from a half answer. */
export interface Continuing {
  /** As far as it is known; asks nobody. */
  canContinue(backend: Backend, call: Call, from: ContinueFrom): 'yes' | 'no' | 'unproven'
  /** The names of those that do not answer `no`. */
  candidates(call: Call, from: ContinueFrom): readonly string[]
  /** With a lease in hand: finds out how its backend goes on; `none` when it does not. May fail as an attempt does. */
  prepare(lease: Lease, call: Call, from: ContinueFrom, signal: AbortSignal): Promise<ContinuationMode>
}

/** A lease, and the half answer with the way to go on from it. */
export interface Leased {
  readonly lease: Lease
  readonly continueFrom?: ContinueFrom | undefined
}

/** No backend can go on from the half answer. */
export class CannotContinue extends Error {
  constructor() {
    super('no backend can go on from the half answer')
    this.name = 'CannotContinue'
  }
}

/**
 * Waits for a lease on a backend that can go on, and proves it where it is not proven yet: while the lease is held, so
 * that the proof waits in the queue as any call does.
 *
 * @param waitForLease waits for one of those backends.
 * @param began is called with a lease whose attempt fails here already.
 */
export async function leaseToContinue(
  continuing: Continuing,
  call: Call,
  from: ContinueFrom,
  signal: AbortSignal,
  waitForLease: (eligible: (backend: Backend) => boolean) => Promise<Lease>,
  began: (lease: Lease) => void,
): Promise<Leased> {
  const refused = new Set<string>()
  const eligible = (backend: Backend): boolean =>
    !refused.has(backend.name) && continuing.canContinue(backend, call, from) !== 'no'
  for (;;) {
    if (continuing.candidates(call, from).every((name) => refused.has(name))) throw new CannotContinue()
    const lease = await waitForLease(eligible)
    let mode: ContinuationMode
    try {
      mode = await continuing.prepare(lease, call, from, signal)
    } catch (error) {
      const isFailure = error instanceof AttemptFailure
      if (isFailure) began(lease)
      lease.end(isFailure ? { kind: 'failed', verdict: error.verdict } : { kind: 'left' })
      throw error
    }
    if (mode !== 'none') return { lease, continueFrom: { ...from, mode } }
    lease.end({ kind: 'left' })
    refused.add(lease.backend.name)
  }
}
