import { ERROR_CODES, SurefootError, type ErrorCode, type Surefoot } from '@surefoot/protocol'
import { callerSignal } from '@surefoot/server'
import type { Context, Hono } from 'hono'

import { systemPromptOf, teacherOfClass } from '../shared/teachers.ts'
import { guessSubject } from './subject.ts'

/** What the guide's routes need. */
export interface MentorDeps {
  readonly surefoot: Surefoot
  readonly model: string
  /** Puts the addresses that people know into an error's text. */
  readonly withShownAddresses: (text: string) => string
}

/** What only the asker can put right; a model that is missing, for one, is not. */
const OWN_MISTAKES: ReadonlyMap<ErrorCode, 400 | 413 | 422> = new Map([
  ['INVALID_REQUEST', 400],
  ['PAYLOAD_TOO_LARGE', 413],
  ['CONTEXT_OVERFLOW', 422],
])

const PREFIX = '/api/mentor'
const NO_ANSWER = 'Unable to connect to AI service. Please try again.'

/** The guide's form for what is refused before a route is reached: a body that is too long, a foreign origin. */
export function mentorErrors(error: SurefootError, path: string): Response | undefined {
  if (!path.startsWith(`${PREFIX}/`)) return undefined
  return Response.json({ success: false, error: error.message }, { status: error.httpStatus })
}

/** The guide's REST routes with its exact JSON, with and without the slash at the end. */
export function addMentorRoutes(app: Hono, deps: MentorDeps): void {
  for (const slash of ['', '/']) {
    app.post(`${PREFIX}/chat${slash}`, (context) => chat(context, deps))
    app.get(`${PREFIX}/health${slash}`, (context) => health(context, deps))
  }
}

async function chat(context: Context, { surefoot, withShownAddresses }: MentorDeps): Promise<Response> {
  const body = await readJson(context)
  if (body === undefined) return refuse(context, 'Invalid JSON')
  const { message, class_number: classNumber = 1 } = body as { message?: unknown; class_number?: unknown }
  if (typeof message !== 'string' || message.trim() === '') return refuse(context, 'Message is required')
  if (!isClassNumber(classNumber)) {
    return refuse(context, 'class_number must be a whole number from 1 to 10')
  }
  const teacher = teacherOfClass(classNumber)
  try {
    const signal = callerSignal(context.req.raw)
    // A question comes alone here, without a conversation: the class may share the answer, where there is a cache.
    const answer = await surefoot.chat(message, { system: systemPromptOf(teacher), signal, cache: true })
    const { served, reason } = answer
    context.header('x-surefoot-served', served)
    if (reason !== undefined) context.header('x-surefoot-reason', reason)
    if (served === 'fallback') return context.json({ success: false, error: NO_ANSWER, details: hintOf(reason) }, 503)
    return context.json({
      success: true,
      text: answer.message.content,
      teacher: teacher.name,
      class: classNumber,
      subject: guessSubject(message),
    })
  } catch (error) {
    if (!SurefootError.is(error)) throw error
    const status = OWN_MISTAKES.get(error.code)
    if (status !== undefined) {
      // What to do about a question that is too long is in numbers that only we know.
      const mend = error.code === 'CONTEXT_OVERFLOW' ? { details: error.hint } : {}
      return context.json({ success: false, error: error.message, ...mend }, status)
    }
    const details = withShownAddresses(`${error.message.replace(/[.!]$/, '')}. ${error.hint}`)
    return context.json(
      { success: false, error: NO_ANSWER, details },
      503,
      error.retryAfterMs === undefined
        ? {}
        : { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))) },
    )
  }
}

function hintOf(code: string | undefined): string {
  return ERROR_CODES[Object.hasOwn(ERROR_CODES, code ?? '') ? (code as ErrorCode) : 'CANNOT_CONNECT'].hint
}

async function health(context: Context, { surefoot, model, withShownAddresses }: MentorDeps): Promise<Response> {
  const report = await surefoot.health()
  // The breaker is asked for now: the rest of the report may be some seconds old.
  const breakers = (await surefoot.backends()).map((backend) => backend.breaker.state)
  const state = (['closed', 'half-open', 'open'] as const).find((wanted) => breakers.includes(wanted)) ?? 'closed'
  const connected = report.backends.some((backend) => backend.reachable)
  const breaker = { circuit_breaker_state: state.replace('-', '_') }
  if (report.status !== 'down' && state !== 'open') {
    const healthy = { success: true, status: 'healthy', ollama_connected: connected, default_model: model, ...breaker }
    return context.json(healthy)
  }
  const problem = report.backends.find((backend) => backend.problem !== undefined)?.problem
  const error = withShownAddresses(problem ?? whyDown(connected, state, model))
  return context.json({ success: false, status: 'unhealthy', ollama_connected: connected, error, ...breaker }, 503)
}

function whyDown(connected: boolean, breaker: string, model: string): string {
  if (breaker === 'open') return 'Circuit breaker is OPEN - service unavailable'
  return connected ? `Model ${model} not found. Run: ollama pull ${model}` : 'Ollama does not answer. Run: ollama serve'
}

async function readJson(context: Context): Promise<object | undefined> {
  try {
    const value: unknown = await context.req.json()
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return undefined
  }
}

function isClassNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 10
}

function refuse(context: Context, error: string): Response {
  return context.json({ success: false, error }, 400)
}
