import { SurefootError, chatRequestSchema, sentenceFromIssues } from '@surefoot/protocol'
import type { CallOptions, ChatInput, ChatMessage, ChatRequest, Priority } from '@surefoot/protocol'

import { canonicalModel } from './backends/model-lists.ts'
import type { Config } from './config/config.ts'
import type { Call } from './service.ts'

/** The longest name of a model, as in a chat body. */
const LONGEST_MODEL = 256
/** Names of tenants and keys of conversations are kept for a while. */
const LONGEST_KEY = 256
/** Of a conversation's beginning so much is enough to tell it from others. */
const LONGEST_BEGINNING = 512
const PRIORITIES: readonly unknown[] = ['critical', 'high', 'normal', 'low'] satisfies Priority[]

/**
 * Turns what a caller says into a call, and checks it: nothing that is known to be wrong reaches a backend.
 *
 * @throws SurefootError `INVALID_REQUEST` with one readable sentence.
 */
export function createCall(input: ChatInput, options: CallOptions, config: Config): Call {
  checkOptions(options)
  const asked = typeof input === 'string' ? fromText(input, options, config) : checked(input)
  const model = options.model ?? asked.model ?? config.model
  const named =
    options.temperature === undefined ? asked.options : { ...asked.options, temperature: options.temperature }
  const request: ChatRequest = {
    ...asked,
    model,
    messages: withSystem(asked.messages, options.system),
    ...(named !== undefined && { options: named }),
    stream: true,
  }
  const affinityKey = options.affinityKey ?? beginningOf(request.messages)
  return {
    kind: 'chat',
    model: canonicalModel(model),
    request,
    buffered: options.buffered ?? false,
    priority: options.priority,
    tenant: options.tenant,
    resume: options.resume,
    cache: options.cache,
    stickyKey: options.stickyKey ?? options.tenant ?? affinityKey,
    affinityKey,
    promptLength: request.messages.reduce((sum, { content }) => sum + content.length, 0),
  }
}

/**
 * What tells one conversation from another: its system prompt and first question. Cut, as it is kept for a while and only
 * ever compared.
 */
function beginningOf(messages: readonly ChatMessage[]): string {
  let beginning = ''
  for (const { role, content } of messages) {
    beginning += `${role}:${content}\n`
    if (role === 'user' || beginning.length > LONGEST_BEGINNING) break
  }
  return beginning.slice(0, LONGEST_BEGINNING)
}

function fromText(text: string, options: CallOptions, config: Config): ChatRequest {
  if (text.trim() === '') throw invalid('The message must not be empty.')
  const temperature = options.temperature ?? config.temperature
  return { messages: [{ role: 'user', content: text }], options: { temperature } }
}

function checked(input: ChatRequest): ChatRequest {
  const parsed = chatRequestSchema.safeParse(input)
  if (!parsed.success) throw invalid(sentenceFromIssues(parsed.error))
  return parsed.data
}

function withSystem(messages: readonly ChatMessage[], system: string | undefined): readonly ChatMessage[] {
  if (system === undefined || messages.some(({ role }) => role === 'system')) return messages
  return [{ role: 'system', content: system }, ...messages]
}

/** Whether it can be listened to; callers in JavaScript pass other things too. */
export function isSignal(value: unknown): value is AbortSignal {
  return value instanceof EventTarget && 'aborted' in value
}

/** Callers in JavaScript pass null and other things for options. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function checkOptions(options: CallOptions): void {
  if (!isObject(options)) throw invalid('The options must be an object.')
  const { system, temperature, model, deadlineMs, signal, priority, resume, cache } = options
  if (signal !== undefined && !isSignal(signal)) throw invalid('signal must be an AbortSignal.')
  if (system !== undefined && typeof system !== 'string') throw invalid('system must be a string.')
  if (model !== undefined && (typeof model !== 'string' || model.trim() === '')) {
    throw invalid('model must be a name that is not empty.')
  }
  if (model !== undefined && model.length > LONGEST_MODEL) {
    throw invalid(`model must have at most ${LONGEST_MODEL} characters.`)
  }
  if (temperature !== undefined && !(typeof temperature === 'number' && temperature >= 0 && temperature <= 2)) {
    throw invalid('temperature must be a number from 0 to 2.')
  }
  if (deadlineMs !== undefined && !(typeof deadlineMs === 'number' && deadlineMs > 0)) {
    throw invalid('deadlineMs must be a number of milliseconds greater than 0.')
  }
  if (priority !== undefined && !PRIORITIES.includes(priority)) {
    throw invalid('priority must be critical, high, normal or low.')
  }
  if (resume !== undefined && typeof resume !== 'boolean') throw invalid('resume must be true or false.')
  if (cache !== undefined && typeof cache !== 'boolean') throw invalid('cache must be true or false.')
  for (const name of ['tenant', 'affinityKey', 'stickyKey'] as const) {
    const key = options[name]
    if (key !== undefined && (typeof key !== 'string' || key === '' || key.length > LONGEST_KEY)) {
      throw invalid(`${name} must be a text of 1 to ${LONGEST_KEY} characters.`)
    }
  }
}

function invalid(message: string): SurefootError {
  return new SurefootError({ code: 'INVALID_REQUEST', message })
}
