import type { IncomingHttpHeaders } from 'node:http'
import type { Fault } from './fault.ts'

/** What the stand-in remembers of a request. */
export interface LoggedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** The connection it came on, counted from 1. */
  readonly socketId: number
  /** Whether that connection had served a request before. */
  readonly reused: boolean
  /** The fault that struck it. */
  readonly fault: Fault['kind'] | undefined
  /** The parsed body; `undefined` until it has arrived, and if there is none. */
  body: unknown
}

/** How many requests are remembered. */
const LOG_LIMIT = 1000

/** Adds an entry and drops the oldest beyond the limit. */
export function remember(log: LoggedRequest[], entry: LoggedRequest): void {
  log.push(entry)
  if (log.length > LOG_LIMIT) log.shift()
}
