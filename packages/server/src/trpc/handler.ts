import { SurefootError } from '@surefoot/protocol'
import type { Surefoot } from '@surefoot/protocol'
import { TRPCError } from '@trpc/server'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import type { Context as HonoContext } from 'hono'
import type { Logger } from 'pino'

import type { KeyCheck } from '../http/auth.ts'
import { callerSignal } from '../http/caller-signal.ts'
import { errorToHeaders } from '../http/errors.ts'
import { createAppRouter } from '../router.ts'
import { errorToTrpcError, trpcErrorToShape } from './error-shape.ts'
import type { Drains } from './init.ts'

/** Where the procedures are. */
export const TRPC_PATH = '/trpc'

/** For dashboards that ask several things at once; chats are sent one a request. */
const MAX_BATCH_SIZE = 10

/** Questions come with the first two, chats with the last. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST'])

/** What the procedures work with. */
export interface TrpcDeps {
  readonly surefoot: Surefoot
  readonly keys: KeyCheck
  readonly drains: Drains | undefined
  readonly logger: Logger | undefined
}

/** Answers everything under {@link TRPC_PATH}. */
export function trpcHandler(deps: TrpcDeps): (c: HonoContext) => Promise<Response> {
  const { surefoot, keys, drains, logger } = deps
  const router = createAppRouter()
  return async (c) => {
    if (!METHODS.has(c.req.method)) return refuseMethod()
    return await fetchRequestHandler({
      endpoint: TRPC_PATH,
      req: await readRequest(c.req),
      router,
      createContext: () => ({ surefoot, drains, tenant: keys.tenantOf(c.req.header('authorization')) }),
      maxBatchSize: MAX_BATCH_SIZE,
      responseMeta: ({ eagerGeneration, errors }) => ({
        headers: new Headers(eagerGeneration ? STREAM_HEADERS : errorHeadersOf(errors)),
      }),
      onError: ({ error, path }) => {
        if (trpcErrorToShape(error).data.surefoot.code === 'INTERNAL')
          logger?.error({ err: error, path }, 'A procedure failed')
      },
    })
  }
}

/** tRPC itself looks at the Content-Type of other methods first, and complains about that. */
function refuseMethod(): Response {
  const response = errorToTrpcResponse(new TRPCError({ code: 'METHOD_NOT_SUPPORTED' }))
  response.headers.set('allow', [...METHODS].join(', '))
  return response
}

/** An error from before the procedures (key, origin, size) as tRPC's clients read it, with its own status. */
export function errorToTrpcResponse(error: unknown): Response {
  const shape = trpcErrorToShape(errorToTrpcError(error))
  return new Response(JSON.stringify({ error: shape }), {
    status: shape.data.httpStatus,
    headers: {
      'content-type': 'application/json',
      ...(SurefootError.is(error) && errorToHeaders(error)),
    },
  })
}

/** nginx and compressing proxies otherwise keep the events to themselves until the end. */
const STREAM_HEADERS = { 'x-accel-buffering': 'no', 'cache-control': 'no-cache, no-transform' }

/** tRPC wants a Request, and the body of this one was read. */
async function readRequest(request: HonoContext['req']): Promise<Request> {
  const { url, method, headers } = request.raw
  const signal = callerSignal(request.raw)
  return new Request(url, { method, headers, signal, ...(method === 'POST' && { body: await request.text() }) })
}

function errorHeadersOf(errors: readonly TRPCError[]): Record<string, string> {
  const known = errors.map((error) => error.cause).find((cause) => SurefootError.is(cause))
  return known === undefined ? {} : errorToHeaders(known)
}
