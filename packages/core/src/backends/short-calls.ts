import {
  ConsecutiveBreaker,
  ConstantBackoff,
  TimeoutStrategy,
  circuitBreaker,
  handleAll,
  retry,
  timeout,
  wrap,
} from 'cockatiel'

import { isAway } from '../outcome/network.ts'

/** A whole short call may take this long. */
const SHORT_CALL_MS = 3_000
/** A probe of an open backend may take this long. */
const PROBE_MS = 1_000
const RETRY_AFTER_MS = 50
const OPEN_AFTER_FAILURES = 5
const OPEN_MS = 500

/** How to read a path of a backend; the signal ends it. */
export type Read = (path: string, signal: AbortSignal) => Promise<{ readonly status: number; readonly body: string }>

/**
 * What a probe came to: `answers`; `away`: no connection can be made, or it broke; `unclear`: it is there but was late, or
 * answered something else.
 */
export type ProbeResult = 'answers' | 'away' | 'unclear'

/**
 * The short calls to one backend: health, lists of models, probes. cockatiel's policies fit them, as they end within
 * seconds and everything they do is in their promise; for chats they do not (section 2.6 of the reliability reference).
 */
export interface ShortCalls {
  /**
   * Reads a JSON answer: at most one retry, 3 s in all, and no hammering on a backend that fails again and again.
   *
   * @param force asks also a backend that has just failed again and again; for whoever bounds the asking himself.
   */
  json(path: string, force?: boolean): Promise<unknown>
  /** Whether it answers at all, within a second and without retry. Never rejects. */
  probe(): Promise<ProbeResult>
}

/** @param closed when it aborts, calls end at once and are not tried again. */
export function createShortCalls(read: Read, closed?: AbortSignal): ShortCalls {
  const once = timeout(PROBE_MS, TimeoutStrategy.Aggressive)
  // The time is outermost: a silent backend must not be waited for once more.
  const patient = wrap(
    timeout(SHORT_CALL_MS, TimeoutStrategy.Aggressive),
    retry(handleAll, { maxAttempts: 1, backoff: new ConstantBackoff(RETRY_AFTER_MS) }),
  )
  const careful = wrap(
    patient,
    circuitBreaker(handleAll, { halfOpenAfter: OPEN_MS, breaker: new ConsecutiveBreaker(OPEN_AFTER_FAILURES) }),
  )
  const readOk = async (path: string, signal: AbortSignal): Promise<string> => {
    const { status, body } = await read(path, signal)
    if (status !== 200) throw new Error(`status ${status}`)
    return body
  }
  return {
    json: async (path, force = false) => {
      const policy = force ? patient : careful
      return JSON.parse(await policy.execute(({ signal }) => readOk(path, signal), closed)) as unknown
    },
    probe: async () => {
      try {
        const { status } = await once.execute(({ signal }) => read('/api/version', signal), closed)
        return status === 200 ? 'answers' : 'unclear'
      } catch (cause) {
        return isAway(cause) ? 'away' : 'unclear'
      }
    },
  }
}
