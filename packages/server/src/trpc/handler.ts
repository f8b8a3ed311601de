import { SurefootError } from '@surefoot/protocol'
import type { Surefoot } from '@surefoot/protocol'
import type { TRPCError } from '@trpc/server'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import type { Context as HonoContext } from 'hono'
import type { Logger } from 'pino'

import { callerSignal } from '../http/caller-signal.ts'
import { errorToHeaders } from '../http/errors.ts'
import { readBodyText } from '../http/json-body.ts'
import { createAppRouter } from '../router.ts'
import { errorToTrpcError, trpcErrorToShape } from './error-shape.ts'

/** Where the procedures are. */
export const TRPC_PATH = '/trpc'

/** For dashboards that ask several things at once; chats are sent one a request. */
const MAX_BATCH_SIZE = 10

/** Answers everything under {@link TRPC_PATH}. */
export function trpcHandler(surefoot: Surefoot, logger?: Logger): (c: HonoContext) => Promise<Response> {
  const router = createAppRouter()
  return async (c) =>
    await fetchRequestHandler({
      endpoint: TRPC_PATH,
      req: await withReadBody(c.req.raw),
      router,
      createContext: () => ({ surefoot }),
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

/** tRPC parses the body without a look at its form; ours is looked at first, and too long or deep a one refused. */
async function withReadBody(request: Request): Promise<Request> {
  if (request.method !== 'POST') return request
  const { url, method, headers } = request
  return new Request(url, { method, headers, signal: callerSignal(request), body: await readBodyText(request) })
}

function errorHeadersOf(errors: readonly TRPCError[]): Record<string, string> {
  const known = errors.map((error) => error.cause).find((cause) => SurefootError.is(cause))
  return known === undefined ? {} : errorToHeaders(known)
}
