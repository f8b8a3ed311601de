import type { Fault, StandIn } from '@surefoot/testing'

import { createFaultSwitch, TOKENS_BEFORE_CUT, type FaultSwitch } from './fault-switch.ts'
import type { BreakMode } from './shared/demo-api.ts'

/** The break bar for the stand-in, with its own faults. */
export function createStandInFaults(standIn: Pick<StandIn, 'fault' | 'counts'>): FaultSwitch {
  return createFaultSwitch(
    (wanted) => standIn.fault(faultsOf(wanted)),
    () => ({ requests: standIn.counts.chats, broken: standIn.counts.faulted }),
  )
}

function faultsOf(mode: BreakMode): Fault | Fault[] | undefined {
  const fault = FAULTS[mode]
  if (fault === undefined || fault.kind === 'refuse') return fault
  // The first one and then every second one: whoever presses the button sees it strike at once.
  return [
    { ...fault, times: 1 },
    { ...fault, every: 2 },
  ]
}

const FAULTS: Readonly<Record<BreakMode, Fault | undefined>> = {
  none: undefined,
  'every-second': { kind: 'reset-before-headers' },
  refuse: { kind: 'refuse' },
  hang: { kind: 'hang' },
  cut: { kind: 'cut-at-token', afterTokens: TOKENS_BEFORE_CUT },
}
