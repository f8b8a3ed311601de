import type { Dialect } from './dialect.ts'
import { type Exchange, findModel, type World } from './exchange.ts'
import { SERVER_BUSY_TEXT } from './faults.ts'
import { generate, sendLateError } from './generation.ts'
import { type GenerationRequest, readGenerationRequest } from './generation-request.ts'
import { decodeGoJson } from './go-json.ts'
import { goTimestamp, preciseNowMs } from './go-time.ts'
import { ServerBusy } from './memory.ts'
import type { CompleteModel } from './models.ts'
import { createNativeDialect } from './native-dialect.ts'
import { createOpenAiDialect, openAiError } from './openai-dialect.ts'
import { renderTemplate } from './render-template.ts'
import { contextOf, fitPrompt } from './prompt-window.ts'
import { type Refusal, refuseAfterLoad, refuseBeforeLoad } from './request-checks.ts'
import { findShapeError, type GenerationRoute } from './request-schema.ts'

/** What Ollama says when a load would not fit. */
const NO_MEMORY_TEXT = 'model requires more system memory (5.6 GiB) than is available (3.1 GiB)'

/** Serves one request to generate; resolves with whether a model answered it whole. */
export async function serveGeneration(exchange: Exchange, world: World, route: GenerationRoute): Promise<boolean> {
  const { reply } = exchange
  const decoded = decodeRequest(route, exchange.body)
  if (typeof decoded === 'string') {
    // Raised before the `/v1` layer takes over, hence with charset and without newline.
    await reply.json(400, route === 'v1' ? openAiError(400, decoded) : { error: decoded }, 'charset')
    return false
  }
  const dialect = dialectFor(decoded, world)
  const model = findModel(world, decoded.model)
  const refusal = refuseBeforeLoad(decoded, model)
  if (refusal !== undefined || model === undefined) {
    const { status, message } = refusal ?? { status: 404, message: 'model not found' }
    await reply.json(status, dialect.error(status, message), dialect.bodyKind)
    return false
  }
  return await serveWithModel(exchange, world, decoded, model, dialect)
}

async function serveWithModel(
  exchange: Exchange,
  world: World,
  request: GenerationRequest,
  model: CompleteModel,
  dialect: Dialect,
): Promise<boolean> {
  const { reply } = exchange
  const startedMs = performance.now()
  if (request.isEmpty && request.keepAliveMs === 0) {
    world.memory.unload(model.name)
    await reply.json(200, dialect.whole('', { isDone: true, doneReason: 'unload' }), dialect.bodyKind)
    return true
  }
  const context = contextOf(request, model, world.settings())
  if (context > world.settings().mostContext) {
    await sendLateError(exchange, request, dialect, 500, NO_MEMORY_TEXT)
    return false
  }
  let leave: () => void
  try {
    leave = await enterMemory(exchange, world, request, model)
  } catch (error) {
    if (!(error instanceof ServerBusy)) throw error
    await reply.json(503, dialect.error(503, SERVER_BUSY_TEXT), dialect.bodyKind)
    return false
  }
  try {
    if (request.isEmpty) {
      await reply.json(200, dialect.whole('', { isDone: true, doneReason: 'load' }), dialect.bodyKind)
      return true
    }
    if (request.isRenderOnly) {
      await reply.json(200, rendered(request, model), 'charset')
      return true
    }
    const fitted = fitPrompt(request, model, world.settings())
    const refusal =
      refuseAfterLoad(request, model, world.settings().version) ??
      (fitted.kind === 'refused' ? fitted.refusal : undefined)
    if (refusal !== undefined || fitted.kind === 'refused') {
      const { status, message } = refusal as Refusal
      await sendLateError(exchange, request, dialect, status, message)
      return false
    }
    if (fitted.cutTo !== undefined) world.tally().cutPrompts++
    const { messages, cutTo } = fitted
    const begun = { startedMs, loadedMs: performance.now(), cutTo }
    return await generate(exchange, world, { ...request, messages }, model, dialect, begun)
  } finally {
    leave()
    if (request.keepAliveMs === 0) world.memory.unload(model.name)
  }
}

function decodeRequest(route: GenerationRoute, body: string): GenerationRequest | string {
  const decoded = decodeGoJson(body)
  if ('error' in decoded) return decoded.error === 'EOF' && route !== 'v1' ? 'missing request body' : decoded.error
  const shapeError = findShapeError(route, decoded.value)
  if (shapeError !== undefined) return shapeError
  const request = readGenerationRequest(route, decoded.value as Record<string, unknown>)
  return route === 'v1' && request.isEmpty ? "[] is too short - 'messages'" : request
}

function dialectFor(request: GenerationRequest, world: World): Dialect {
  const { route, model, includeUsage } = request
  if (route !== 'v1') return createNativeDialect(route, model)
  const id = Math.floor(world.random.next() * 999)
  return createOpenAiDialect({ model, version: world.settings().version, id, includeUsage })
}

function enterMemory(
  { signal, fault }: Exchange,
  world: World,
  request: GenerationRequest,
  model: CompleteModel,
): Promise<() => void> {
  const factor = fault?.kind === 'slow' ? (fault.factor ?? 10) : 1
  const loadMs = world.settings().loadMs * factor
  const context = contextOf(request, model, world.settings())
  return world.memory.use(model.name, {
    signal,
    loadMs,
    keepAliveMs: request.keepAliveMs,
    loadedWith: loadOptions({ ...request.options, num_ctx: context }),
    context,
  })
}

function rendered(request: GenerationRequest, model: CompleteModel): object {
  return {
    model: request.model,
    created_at: goTimestamp(preciseNowMs()),
    ...(request.route === 'generate' ? { response: '' } : { message: { role: '', content: '' } }),
    done: false,
    _debug_info: { rendered_template: renderTemplate(request, model) },
  }
}

/** Options that a runner is started with; a request that names others makes Ollama load the model anew. */
const LOAD_OPTIONS = ['num_ctx', 'num_batch', 'num_gpu', 'main_gpu', 'use_mmap', 'num_thread']

function loadOptions(options: GenerationRequest['options']): string {
  return JSON.stringify(LOAD_OPTIONS.map((name) => options[name] ?? null))
}
