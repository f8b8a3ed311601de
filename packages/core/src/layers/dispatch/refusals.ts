import { SurefootError } from '@surefoot/protocol'

import type { Backend } from '../../backends/backend.ts'
import type { Fleet } from '../../backends/fleet.ts'

/** A Retry-After is at least this, and at most what a client believes. */
const SHORTEST_RETRY_AFTER_MS = 1_000
const LONGEST_RETRY_AFTER_MS = 30_000

/** The queue that refuses. */
interface Refusing {
  readonly model: string
  readonly length: number
}

/** Why a call is not given a slot, as the error its caller gets. */
export function queueFull(model: string, length: number, waitMs: number | undefined): SurefootError {
  return new SurefootError({
    code: 'QUEUE_FULL',
    message: `${length} calls for ${model} are waiting already.`,
    retryAfterMs: retryAfter(waitMs),
  })
}

/** At entry: the wait is longer than any call may wait. */
export function waitTooLong({ model, length }: Refusing, waitMs: number): SurefootError {
  return new SurefootError({
    code: 'QUEUE_FULL',
    message: `${length} calls for ${model} are waiting already, for about ${seconds(waitMs)} s.`,
    retryAfterMs: retryAfter(waitMs),
  })
}

/** At entry: it could not be answered before its deadline. */
export function deadlineTooNear({ model }: Refusing, waitMs: number): SurefootError {
  return new SurefootError({
    code: 'QUEUE_FULL',
    message: `The wait for ${model} is about ${seconds(waitMs)} s: too long for the deadline of this call.`,
    retryAfterMs: retryAfter(waitMs),
  })
}

/** When its turn comes: the wait was longer than expected, and an answer in the time that is left is unlikely. */
export function cameTooLate(model: string, waitedMs: number): SurefootError {
  return new SurefootError({
    code: 'QUEUE_TIMEOUT',
    message: `No slot for ${model} became free in time for the deadline of this call; it waited ${seconds(waitedMs)} s.`,
    retryAfterMs: SHORTEST_RETRY_AFTER_MS,
  })
}

export function queueTimeout(model: string, waitedMs: number): SurefootError {
  return new SurefootError({
    code: 'QUEUE_TIMEOUT',
    message: `No slot for ${model} became free within ${Math.round(waitedMs / 1000)} s.`,
    retryAfterMs: SHORTEST_RETRY_AFTER_MS,
  })
}

/** There is another way to answer, and it is not worth while to wait any longer for this one. */
export function outOfPatience(model: string, waitedMs: number, waitMs: number | undefined): SurefootError {
  const expected = waitMs === undefined ? '' : `; about ${seconds(waitMs)} s more were to be expected`
  return new SurefootError({
    code: 'QUEUE_TIMEOUT',
    message: `No slot for ${model} became free within ${seconds(waitedMs)} s${expected}.`,
    retryAfterMs: retryAfter(waitMs),
  })
}

/** No backend may be asked: the reason they have in common, else the guide's words. */
export function notReady(fleet: Fleet, model: string, nowMs: number): SurefootError {
  const reasons = fleet.backends.map((backend) => backend.models.avoided(model, nowMs, true)?.error)
  const first = reasons[0]
  if (first !== undefined && reasons.every((reason) => reason?.code === first.code)) return first
  const probes = fleet.backends.map((backend) => backend.usableAtMs(model, fleet.isLast(backend, model)) ?? nowMs)
  const againAtMs = probes.length === 0 ? nowMs + SHORTEST_RETRY_AFTER_MS : Math.min(...probes)
  return new SurefootError({
    code: 'BREAKER_OPEN',
    message: 'Circuit breaker is OPEN - service unavailable',
    hint: whyNotReady(fleet),
    retryAfterMs: Math.max(0, Math.round(againAtMs - nowMs)),
  })
}

function whyNotReady({ backends }: Fleet): string {
  const names = (of: readonly Backend[]): string => of.map(({ name }) => name).join(', ')
  if (backends.length === 0) return 'No backend is known yet: the host name in OLLAMA_BASE_URL has no address so far.'
  if (backends.every(({ draining }) => draining)) return `${names(backends)}: drained by order. Undrain one of them.`
  const wedged = backends.filter(({ liveness }) => liveness.wedged !== undefined)
  if (wedged.length > 0) return `${names(wedged)} answers, but produces no token. Restart Ollama there.`
  const opened = backends.map(({ breaker }) => breaker.reason).find((reason) => reason !== undefined)
  return opened === 'CANNOT_CONNECT'
    ? `Cannot connect to Ollama at ${names(backends)}. Start it with \`ollama serve\`, or correct OLLAMA_BASE_URL.`
    : `${names(backends)} failed several times in a row${opened === undefined ? '' : ` (${opened})`}. Check the log of \`ollama serve\`; Surefoot tries again by itself.`
}

function retryAfter(waitMs = 0): number {
  return Math.min(Math.max(Math.round(waitMs), SHORTEST_RETRY_AFTER_MS), LONGEST_RETRY_AFTER_MS)
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
