import { SurefootError } from '@surefoot/protocol'

import type { Fleet } from '../../backends/fleet.ts'

/** Why a call is not given a slot, as the error its caller gets. */
export function queueFull(model: string, length: number): SurefootError {
  return new SurefootError({
    code: 'QUEUE_FULL',
    message: `${length} calls for ${model} are waiting already.`,
    retryAfterMs: 1_000,
  })
}

export function queueTimeout(model: string, waitedMs: number): SurefootError {
  const seconds = Math.round(waitedMs / 1000)
  return new SurefootError({
    code: 'QUEUE_TIMEOUT',
    message: `No slot for ${model} became free within ${seconds} s.`,
    retryAfterMs: 1_000,
  })
}

/** No backend may be asked: the reason they have in common, else the guide's words. */
export function notReady(fleet: Fleet, model: string, nowMs: number): SurefootError {
  const reasons = fleet.backends.map((backend) => backend.models.avoided(model, nowMs, true)?.error)
  const first = reasons[0]
  if (first !== undefined && reasons.every((reason) => reason?.code === first.code)) return first
  const probes = fleet.backends.map((backend) => backend.usableAtMs(model, fleet.isLast(backend, model)) ?? nowMs)
  const opened = fleet.backends.map((backend) => backend.breaker.reason).find((reason) => reason !== undefined)
  const names = fleet.backends.map((backend) => backend.name).join(', ')
  return new SurefootError({
    code: 'BREAKER_OPEN',
    message: 'Circuit breaker is OPEN - service unavailable',
    hint:
      opened === 'CANNOT_CONNECT'
        ? `Cannot connect to Ollama at ${names}. Start it with \`ollama serve\`, or correct OLLAMA_BASE_URL.`
        : `${names} failed several times in a row${opened === undefined ? '' : ` (${opened})`}. Check the log of \`ollama serve\`; Surefoot tries again by itself.`,
    retryAfterMs: Math.max(0, Math.round(Math.min(...probes) - nowMs)),
  })
}
