import { setTimeout as sleep } from 'node:timers/promises'

import { createSurefoot } from '@surefoot/core'
import type { BreakerState, Surefoot } from '@surefoot/protocol'
import { SurefootError } from '@surefoot/protocol'
import { createStandIn, faults } from '@surefoot/testing'
import { pino } from 'pino'

import { secondsOf } from './summary.ts'

/** The stand-in takes this long for its first token, so that the state half-open lasts long enough to be seen. */
const FIRST_TOKEN_MS = 150
const OBSERVE_EVERY_MS = 5
/** After a restart Surefoot notices within seconds; far more than that is a failure. */
const RECOVERY_MS = 20_000

/**
 * Breaks a stand-in Ollama until the breaker opens, repairs it, and watches the way back. A live breaker is never
 * touched: this one belongs to a Surefoot made for the test.
 *
 * @returns what went wrong, or `undefined`.
 */
export async function testBreaker(out: (line: string) => void, signal: AbortSignal): Promise<string | undefined> {
  await using standIn = await createStandIn({ firstTokenMs: FIRST_TOKEN_MS })
  await using surefoot = createSurefoot(
    { backends: standIn.url, model: 'llama3.2', maxRetries: 0, waitForReadyMs: 0, deadlineMs: 1_000 },
    { env: {}, logger: pino({ level: 'silent' }) },
  )
  using seen = watchBreaker(surefoot)
  out(`Using a stand-in Ollama at ${standIn.url}; no live breaker is touched.`)

  await standIn.fault(faults.refuse())
  for (let call = 0; call < 10 && seen.state !== 'open'; call++) {
    await failureOf(surefoot, signal)
    await seen.look()
  }
  if (seen.state !== 'open') return 'The breaker did not open although the backend refused every call.'
  out('The stand-in refuses connections: the breaker is open.')

  const startedAtMs = performance.now()
  const refusal = await failureOf(surefoot, signal)
  if (refusal?.code !== 'BREAKER_OPEN') return 'A call got through although the breaker was open.'
  out(`A call while it is open is refused after ${(performance.now() - startedAtMs).toFixed(1)} ms: ${refusal.message}`)

  await standIn.fault()
  const repairedAtMs = performance.now()
  out('The stand-in answers again.')
  while ((await failureOf(surefoot, signal)) !== undefined) {
    if (performance.now() - repairedAtMs > RECOVERY_MS) return 'The breaker did not close after the backend was back.'
    await sleep(50, undefined, { signal })
  }
  await seen.look()
  out(`Breaker: ${seen.states.join(' → ')}, answered ${secondsOf(performance.now() - repairedAtMs)} after the repair.`)
  const way = seen.states.slice(seen.states.lastIndexOf('open')).join(' ')
  return way === 'open half-open closed' ? undefined : `The breaker went ${seen.states.join(' → ')}.`
}

/** Asks once; what it failed with, or `undefined` when it was answered. */
async function failureOf(surefoot: Surefoot, signal: AbortSignal): Promise<SurefootError | undefined> {
  try {
    await surefoot.chat('Are you there?', { signal })
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    if (SurefootError.is(error)) return error
    throw error
  }
}

interface BreakerWatch extends Disposable {
  /** Every state it was seen in, without repetitions. */
  readonly states: readonly BreakerState[]
  readonly state: BreakerState | undefined
  look(): Promise<void>
}

/** Looks at the breaker every few milliseconds, as a dashboard would. */
function watchBreaker(surefoot: Surefoot): BreakerWatch {
  const states: BreakerState[] = []
  const look = async (): Promise<void> => {
    const state = (await surefoot.backends())[0]?.breaker.state
    if (state !== undefined && state !== states.at(-1)) states.push(state)
  }
  const interval = setInterval(() => void look().catch(() => {}), OBSERVE_EVERY_MS)
  return {
    states,
    get state() {
      return states.at(-1)
    },
    look,
    [Symbol.dispose]: () => clearInterval(interval),
  }
}
