import { SurefootError } from '@surefoot/protocol'
import type { Surefoot } from '@surefoot/protocol'
import { Hono } from 'hono'
import type { Context } from 'hono'
import type { Logger } from 'pino'

import { createDrainable } from './draining.ts'
import { createKeyCheck, requireKey } from './http/auth.ts'
import { cors } from './http/cors.ts'
import { errorToOllamaResponse, errorToSurefootError, isAbort } from './http/errors.ts'
import { healthRoutes } from './http/health-routes.ts'
import { requireLoopbackHost } from './http/host-check.ts'
import { ollamaApi } from './http/ollama-api.ts'
import { readBody } from './http/read-body.ts'
import { errorToTrpcResponse, TRPC_PATH, trpcHandler } from './trpc/handler.ts'
import type { Drains } from './trpc/init.ts'

/** What is served, to whom. */
export interface FetchHandlerOptions {
  /** What answers; not closed by the handler. */
  readonly surefoot: Surefoot
  /** Keys of which a caller must send one as `Authorization: Bearer <key>`. @default none: everybody may call */
  readonly keys?: readonly string[] | undefined
  /** Origins of pages elsewhere that may call, exactly as the browser sends them. @default none */
  readonly corsOrigins?: readonly string[] | undefined
  /** Refuse requests whose Host header is not this machine's loopback name. @default false */
  readonly loopbackOnly?: boolean | undefined
  /** The longest body in bytes. @default 10 MiB */
  readonly maxBodyBytes?: number | undefined
  /** Faults of the server itself are logged here; prompts and answers never are. @default none */
  readonly logger?: Logger | undefined
  /**
   * More routes behind the same checks: a page, an API of your own. Their `surefoot` refuses calls while draining. The
   * body comes from `c.req.json()` and the like, the end of the caller from `callerSignal(c.req.raw)`.
   */
  readonly extraRoutes?: ((app: Hono, surefoot: Surefoot) => void) | undefined
  /**
   * The form of an error on routes of your own, also of one from before them: a foreign origin, a body that is too long.
   * `undefined` leaves it to the server. @default none
   */
  readonly extraErrors?: ((error: SurefootError, path: string) => Response | undefined) | undefined
}

/** All routes as one function, for any server that speaks `Request` and `Response`. */
export interface FetchHandler {
  fetch(request: Request, env?: object): Response | Promise<Response>
  /** From now on no chat starts and `/readyz` says so; those that run go on. */
  startDraining(): void
}

/**
 * Builds the routes of a Surefoot server without a socket.
 *
 * @throws SurefootError `INVALID_CONFIG` for a CORS origin that is none, or a key that no header could carry.
 */
export function createFetchHandler(options: FetchHandlerOptions): FetchHandler {
  const gate = createDrainable(options.surefoot)
  const keys = createKeyCheck(options.keys ?? [])
  // Strict paths: `/api/tags/` is not `/api/tags`, as with Ollama.
  const app = new Hono()
  app.onError((error, c) => answerError(error, c, options))
  app.notFound((c) => answerError(notFound(), c, options))

  // First, so that neither a key nor a host name stands between an orchestrator and them.
  healthRoutes(app, gate, keys)
  if (options.loopbackOnly === true) app.use(requireLoopbackHost())
  app.use(cors(options.corsOrigins ?? []))
  // Before the body limit: who has no key gets no body read.
  app.use(requireKey(keys))
  app.use(readBody(options.maxBodyBytes))

  // Who may take backends out: callers with a key, or of this machine.
  const mayDrain = keys.isNeeded || options.loopbackOnly === true
  const drains = mayDrain && canDrain(options.surefoot) ? options.surefoot : undefined
  app.all(`${TRPC_PATH}/*`, trpcHandler({ surefoot: gate.surefoot, keys, drains, logger: options.logger }))
  ollamaApi(app, gate.surefoot, keys)
  options.extraRoutes?.(app, gate.surefoot)
  // Ollama's own words: its command line and other clients take them as a sign of life.
  app.get('/', (c) => c.text('Ollama is running'))

  return {
    fetch: (request, env) => app.fetch(request, env),
    startDraining: () => gate.startDraining(),
  }
}

function answerError(error: unknown, c: Context, { logger, extraErrors }: FetchHandlerOptions): Response {
  if (!isAbort(error)) {
    const known = errorToSurefootError(error)
    if (known.code === 'INTERNAL') logger?.error({ err: error, path: c.req.path }, 'A request failed')
    const own = extraErrors?.(known, c.req.path)
    if (own !== undefined) return own
  }
  return c.req.path === TRPC_PATH || c.req.path.startsWith(`${TRPC_PATH}/`)
    ? errorToTrpcResponse(error)
    : errorToOllamaResponse(error)
}

function canDrain(surefoot: Surefoot & Partial<Drains>): surefoot is Surefoot & Drains {
  return surefoot.drain !== undefined && surefoot.undrain !== undefined
}

function notFound(): SurefootError {
  return new SurefootError({ code: 'NOT_FOUND', message: 'This route does not exist here.' })
}
