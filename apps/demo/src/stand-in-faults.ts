import type { Fault, StandIn } from '@surefoot/testing'

import { TOKENS_BEFORE_CUT, type FaultSwitch } from './fault-switch.ts'
import type { BreakMode } from './shared/demo-api.ts'

/** The break bar for the stand-in, with its own faults. */
export function createStandInFaults(standIn: Pick<StandIn, 'fault' | 'counts'>): FaultSwitch {
  let mode: BreakMode = 'none'
  return {
    get mode() {
      return mode
    },
    async set(wanted) {
      mode = wanted
      await standIn.fault(FAULTS[wanted])
    },
    counts() {
      const { chats, faulted } = standIn.counts
      return { requests: chats, broken: faulted }
    },
  }
}

/** The first request and then every second one: whoever presses the button sees it strike at once. */
function everySecond(fault: Fault): Fault[] {
  return [
    { ...fault, times: 1 },
    { ...fault, every: 2 },
  ]
}

const FAULTS: Readonly<Record<BreakMode, Fault | Fault[] | undefined>> = {
  none: undefined,
  'every-second': everySecond({ kind: 'reset-before-headers' }),
  refuse: { kind: 'refuse' },
  hang: everySecond({ kind: 'hang' }),
  cut: everySecond({ kind: 'cut-at-token', afterTokens: TOKENS_BEFORE_CUT }),
}
