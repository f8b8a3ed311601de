import type { Surefoot } from '@surefoot/protocol'
import { initTRPC } from '@trpc/server'

import { errorToTrpcError, trpcErrorToShape } from './error-shape.ts'

/** What every procedure works with. */
export interface Context {
  readonly surefoot: Surefoot
  /** Whose calls these are; wins over what a caller says of itself. @default what the caller says */
  readonly tenant?: string | undefined
  /** What takes backends out and puts them back; absent where the caller may not, or nothing can. */
  readonly drains?: Drains | undefined
}

/** What `createSurefoot` of core can do beside answering. */
export interface Drains {
  /** No new call goes to this backend, the running ones end. @throws SurefootError `INVALID_REQUEST` for an unknown one */
  drain(url: string): void
  undrain(url: string): void
}

/** Below the 30 to 60 s after which proxies cut a silent connection. */
const PING_MS = 10_000

const t = initTRPC.context<Context>().create({
  // Its default depends on NODE_ENV, and would send stacks to clients.
  isDev: false,
  errorFormatter: ({ error, path }) => trpcErrorToShape(error, path),
  jsonl: { pingMs: PING_MS },
})

export const router = t.router
export const createCallerFactory = t.createCallerFactory

/** A procedure whose errors carry the code that fits, also for callers in the same process. */
export const procedure = t.procedure.use(async ({ next }) => {
  const result = await next()
  if (!result.ok) throw errorToTrpcError(result.error)
  return result
})
