import type { Exchange, World } from './exchange.ts'
import { serveGeneration } from './generation-route.ts'
import { servePs, serveRoot, serveShow, serveTags, serveV1Models, serveVersion } from './info-routes.ts'
import { createNativeDialect } from './native-dialect.ts'
import { openAiError } from './openai-dialect.ts'

interface Route {
  /** In the order in which Ollama names them in `Allow`. */
  readonly methods: readonly string[]
  readonly isGeneration: boolean
  /** Resolves with whether a model answered. */
  serve(exchange: Exchange, world: World): Promise<boolean | void>
}

const read = (serve: Route['serve']): Route => ({ methods: ['HEAD', 'GET'], isGeneration: false, serve })
const generation = (route: 'chat' | 'generate' | 'v1'): Route => ({
  methods: ['POST'],
  isGeneration: true,
  serve: (exchange, world) => serveGeneration(exchange, world, route),
})

const ROUTES: ReadonlyMap<string, Route> = new Map([
  ['/', read(serveRoot)],
  ['/api/version', read(serveVersion)],
  ['/api/tags', read(serveTags)],
  ['/api/ps', { methods: ['GET'], isGeneration: false, serve: servePs }],
  ['/api/show', { methods: ['POST'], isGeneration: false, serve: serveShow }],
  ['/v1/models', { methods: ['GET'], isGeneration: false, serve: serveV1Models }],
  ['/api/chat', generation('chat')],
  ['/api/generate', generation('generate')],
  ['/v1/chat/completions', generation('v1')],
])

/** Whether a request asks a model to generate. */
export function isGenerationRequest(method: string, path: string): boolean {
  const route = ROUTES.get(path)
  return route?.isGeneration === true && route.methods.includes(method)
}

/** Sends a request to its route; resolves with whether a model answered it whole. */
export async function route(exchange: Exchange, world: World): Promise<boolean> {
  const { method, path, reply, fault } = exchange
  if (fault?.kind === 'status') {
    await sendStatus(exchange)
    return false
  }
  const found = ROUTES.get(path)
  if (found === undefined) {
    await reply.send(404, [['Content-Type', 'text/plain']], '404 page not found')
    return false
  }
  if (!found.methods.includes(method)) {
    const headers = [['Allow', found.methods.join(', ')] as const, ['Content-Type', 'text/plain'] as const]
    await reply.send(405, headers, '405 method not allowed')
    return false
  }
  return (await found.serve(exchange, world)) === true
}

async function sendStatus({ fault, path, reply }: Exchange): Promise<void> {
  if (fault?.kind !== 'status') return
  const { status, message = 'error', body, headers = {} } = fault
  const wrap = path.startsWith('/v1/') ? openAiError : createNativeDialect('chat', '').error
  const type = 'Content-Type' in headers ? [] : [['Content-Type', 'application/json; charset=utf-8'] as const]
  await reply.send(status, [...type, ...Object.entries(headers)], body ?? JSON.stringify(wrap(status, message)))
}
