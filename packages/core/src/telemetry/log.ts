import type { Logger } from 'pino'

import type { Telemetry, TelemetryEvent } from './telemetry.ts'

/** Writes the guide's log lines, with its words and levels, as structured records. */
export function logTelemetry(telemetry: Telemetry, log: Logger): () => void {
  return telemetry.on((event) => write(log, event))
}

function write(log: Logger, { type, ...fields }: TelemetryEvent): void {
  const event = { type, ...fields } as TelemetryEvent
  const record = { event: type, ...fields }
  switch (event.type) {
    case 'client-init':
      return log.info(record, `OllamaClient initialized: ${event.backends.join(',')}, model: ${event.model}`)
    case 'call-start':
      return log.info(record, `Generating response for prompt (length: ${event.promptLength})`)
    case 'call-end': {
      const seconds = `${(event.durationMs / 1000).toFixed(2)}s`
      if (event.outcome === 'answered') return log.info(record, `Response generated successfully in ${seconds}`)
      if (event.outcome === 'aborted') return log.info(record, `Request aborted by the caller after ${seconds}`)
      return log.error(record, `Request failed after ${seconds}: ${event.problem ?? event.outcome}`)
    }
    case 'attempt-fail':
      return log.warn(record, `Attempt ${event.attempt} failed: ${event.problem}${next(event)}`)
    case 'rung-leave':
      return log.warn(record, `No answer from ${event.rung}: ${event.problem}`)
    case 'breaker-open':
      if (event.again) return log.warn(record, `Circuit breaker: Recovery failed, still open (${event.reason})`)
      return log.error(record, `Circuit breaker: Opening circuit after ${event.failures} failures`)
    case 'breaker-half-open':
      return log.info(record, 'Circuit breaker: Attempting recovery (half-open state)')
    case 'breaker-closed':
      return log.info(record, 'Circuit breaker: Recovery successful (closed state)')
    case 'backend-out':
      return log.warn(record, `Backend ${event.backend} is ${event.state}: ${event.reason}`)
    case 'backend-back':
      return log.info(record, `Backend ${event.backend} is back`)
    case 'backend-join':
      return log.info(record, `Backend ${event.backend} has joined`)
    case 'backend-leave':
      return log.info(record, `Backend ${event.backend} has left`)
    case 'experiment-decide':
      return log.info(record, `Experiment ${event.experiment} is decided: ${event.winner} is better`)
    case 'shadow-end':
      return log.debug(record, `Copy for ${event.model} ended: ${event.outcome}`)
    case 'cache':
      return log.debug(
        record,
        `Cache: ${event.where === undefined ? event.result : `${event.result} in ${event.where}`}`,
      )
    case 'cache-store-out':
      return log.warn(record, `The Redis of the cache cannot be used: ${event.problem}; calls go on without it`)
    case 'cache-store-back':
      return log.info(record, 'The Redis of the cache is back')
    case 'load-end': {
      const seconds = `${(event.durationMs / 1000).toFixed(2)}s`
      if (event.problem === undefined) return log.info(record, `Model ${event.model} loaded in ${seconds}`)
      return log.warn(record, `Model ${event.model} not loaded after ${seconds}: ${event.problem}`)
    }
  }
}

function next({ waitMs, waitsForBackend }: TelemetryEvent & { type: 'attempt-fail' }): string {
  if (waitMs === undefined) return ''
  return waitsForBackend ? '; no backend may be asked now' : `; trying again in ${(waitMs / 1000).toFixed(2)}s`
}
