import type { PlantedFault } from './planted-fault.ts'

/** Mistakes about the end of a call, its attempts and what they may cost. */
export const CALL_FAULTS: readonly PlantedFault[] = [
  {
    name: 'the sleep between two attempts does not hear that the caller has left',
    edits: [
      {
        file: 'layers/retry/sleep.ts',
        find: 'awaitReturn === undefined ? waitMs : floorMs, signal)',
        put: 'awaitReturn === undefined ? waitMs : floorMs, new AbortController().signal)',
      },
      {
        file: 'layers/retry/sleep.ts',
        find: 'AbortSignal.any([signal, woken.signal])',
        put: 'woken.signal',
      },
    ],
  },
  {
    name: 'nobody watches the deadline: attempts go on past it',
    edits: [
      { file: 'layers/deadline.ts', find: 'context.abort(new SurefootError(', put: 'void (new SurefootError(' },
      { file: 'layers/retry/decide.ts', find: 'decision.retry && decision.waitMs < leftMs', put: 'decision.retry' },
    ],
  },
  {
    name: "a caller's mistake is tried again",
    edits: [
      {
        file: 'layers/retry/decide.ts',
        find: "if (verdict.retry === 'never' || (",
        put: "if ((verdict.retry === 'never' && verdict.class !== 'client') || (",
      },
    ],
  },
  {
    name: 'a Retry-After is not kept',
    edits: [
      {
        file: 'layers/retry/rests.ts',
        find: 'Math.min(sameAfterMs, LONGEST_REST_MS)',
        put: 'Math.min(sameAfterMs, 0)',
      },
    ],
  },
  {
    name: 'the retry budget never runs out',
    edits: [
      {
        file: 'layers/retry/budget.ts',
        find: 'if (this.#left < cost || ofTenant < cost) return false',
        put: '',
      },
    ],
  },
]
