import { answerToChunk, SurefootError } from '@surefoot/protocol'
import type { CallOptions, ChatRequest, Surefoot } from '@surefoot/protocol'
import type { Hono } from 'hono'

import { version } from '../version.ts'
import type { KeyCheck } from './auth.ts'
import { callerSignal } from './caller-signal.ts'
import { headersToOptions, parseChatRequest } from './chat-request.ts'
import { readJsonBody } from './json-body.ts'
import { modelsToLoadedTags, modelsToTags } from './model-list.ts'
import { linesToBody, runToLines } from './ndjson.ts'
import type { RunFacts } from './ndjson.ts'

/**
 * Ollama's own API, through the same stack. Only what is listed here exists: everything else under `/api` is answered
 * with 404 and reaches no backend.
 */
export function ollamaApi(app: Hono, surefoot: Surefoot, keys: KeyCheck): void {
  app.post('/api/chat', async (c) => {
    const request = parseChatRequest(await readJsonBody(c.req))
    const options: CallOptions = {
      ...headersToOptions((name) => c.req.header(name)),
      tenant: keys.tenantOf(c.req.header('authorization')),
      signal: callerSignal(c.req.raw),
    }
    return request.stream === false
      ? await whole(surefoot, request, options)
      : await streamed(surefoot, request, options)
  })
  app.get('/api/tags', async (c) => {
    return c.json({ models: modelsToTags(await surefoot.models({ signal: callerSignal(c.req.raw) })) })
  })
  app.get('/api/ps', async (c) => {
    const signal = callerSignal(c.req.raw)
    const [report, models] = await Promise.all([surefoot.health({ signal }), surefoot.models({ signal })])
    return c.json({ models: modelsToLoadedTags(models, report.backends) })
  })
  app.get('/api/version', async (c) => c.json({ version: await lowestVersion(surefoot, callerSignal(c.req.raw)) }))
  app.all('/api/chat', () => refuseMethod('/api/chat', 'POST'))
  for (const path of ['/api/tags', '/api/ps', '/api/version']) app.all(path, () => refuseMethod(path, 'GET, HEAD'))
}

async function whole(surefoot: Surefoot, request: ChatRequest, options: CallOptions): Promise<Response> {
  const answer = await surefoot.run({ ...request, stream: false }, { ...options, buffered: true }).answer
  return new Response(JSON.stringify(answerToChunk(answer)), {
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ...factsToHeaders(answer.id, answer),
    },
  })
}

/** Resolves with the first line in hand: what fails before it still has its own status, as with Ollama. */
async function streamed(surefoot: Surefoot, request: ChatRequest, options: CallOptions): Promise<Response> {
  const run = surefoot.run({ ...request, stream: true }, { ...options, buffered: false })
  const facts: RunFacts = { attempts: 0 }
  const lines = runToLines(run, request.model ?? '', facts)
  const first = await lines.next()
  const body = linesToBody(first, lines, () => run.stop())
  return new Response(body, {
    headers: {
      'content-type': 'application/x-ndjson',
      'x-accel-buffering': 'no',
      'cache-control': 'no-cache, no-transform',
      ...factsToHeaders(run.id, facts),
    },
  })
}

async function lowestVersion(surefoot: Surefoot, signal: AbortSignal): Promise<string> {
  // Clients compare it to decide what they may ask for: the oldest backend decides. Without one it is ours.
  const report = await surefoot.health({ signal })
  const known = report.backends.flatMap((backend) => backend.version ?? [])
  return known.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))[0] ?? version
}

function factsToHeaders(id: string, facts: RunFacts): Record<string, string> {
  return {
    'x-surefoot-run-id': id,
    'x-surefoot-attempts': String(facts.attempts),
    ...(facts.served !== undefined && { 'x-surefoot-served': facts.served }),
    ...(facts.reason !== undefined && { 'x-surefoot-reason': facts.reason }),
    ...(facts.variant !== undefined && { 'x-surefoot-variant': printable(facts.variant) }),
    ...(facts.backend !== undefined && { 'x-surefoot-backend': facts.backend }),
  }
}

/** Names of models may have any letter; a header takes ASCII, so the others are percent-encoded. */
function printable(name: string): string {
  return name.toWellFormed().replace(/[^\u0021-\u007e]+/g, encodeURIComponent)
}

function refuseMethod(path: string, allow: string): Response {
  const error = new SurefootError({ code: 'NOT_FOUND', message: `${path} takes only ${allow.replace(', ', ' and ')}.` })
  return new Response(JSON.stringify({ error: error.message }), {
    status: 405,
    headers: { allow, 'content-type': 'application/json; charset=utf-8', 'x-surefoot-code': error.code },
  })
}
