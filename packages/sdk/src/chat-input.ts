import { chatRequestSchema, sentenceFromIssues, SurefootError } from '@surefoot/protocol'
import type { CallOptions, ChatInput, Priority } from '@surefoot/protocol'
import type { ChatStreamProcedureInput } from '@surefoot/server'

/** The longest name of a model. */
const MAX_MODEL_CHARS = 256
/** The longest tenant or affinity key. */
const MAX_KEY_CHARS = 256
const PRIORITIES: readonly unknown[] = ['critical', 'high', 'normal', 'low'] satisfies Priority[]

/**
 * What goes over the wire for one chat, checked here already, so that a mistake costs no request.
 *
 * @throws SurefootError `INVALID_REQUEST` with one sentence, the same that the server would send.
 */
export function inputToWire(input: ChatInput, options: CallOptions): ChatStreamProcedureInput {
  checkOptions(options)
  const { system, temperature, model, buffered, resume, cache, priority, tenant, affinityKey, stickyKey, runId } =
    options
  // Infinity has no form in JSON.
  const deadlineMs = options.deadlineMs === Infinity ? Number.MAX_SAFE_INTEGER : options.deadlineMs
  // JSON drops what is undefined, so what was not said is not sent.
  const said = {
    system,
    temperature,
    deadlineMs,
    buffered,
    resume,
    cache,
    priority,
    tenant,
    affinityKey,
    stickyKey,
    runId,
  }
  if (typeof input === 'string') {
    if (input.trim() === '') throw invalid('The message must not be empty.')
    return { message: input, model, ...said }
  }
  const form = chatRequestSchema.safeParse(input)
  if (!form.success) {
    throw input === null || typeof input !== 'object' || Array.isArray(input)
      ? invalid('The message must be a string, or a request with messages.')
      : invalid(sentenceFromIssues(form.error), form.error)
  }
  // Whether the caller reads lines or a whole is settled in the client.
  const { stream: _stream, ...body } = form.data
  const wire = { ...body, ...defined({ model }), ...defined(said) }
  checkPrintable(wire)
  return wire
}

/** A loop or a bigint in `options` or `tools` shows only when it is printed, which is far from here. */
function checkPrintable(wire: object): void {
  try {
    JSON.stringify(wire)
  } catch (error) {
    throw invalid('The request holds something that cannot be written as JSON.', error)
  }
}

function checkOptions(options: CallOptions): void {
  const { system, temperature, model, deadlineMs, buffered, resume, cache, signal, priority } = options
  if (system !== undefined && typeof system !== 'string') throw invalid('system must be a string.')
  if (model !== undefined && !(typeof model === 'string' && model.trim() !== '' && model.length <= MAX_MODEL_CHARS)) {
    throw invalid(`model must be a name of 1 to ${MAX_MODEL_CHARS} characters.`)
  }
  if (temperature !== undefined && !(typeof temperature === 'number' && temperature >= 0 && temperature <= 2)) {
    throw invalid('temperature must be a number from 0 to 2.')
  }
  if (deadlineMs !== undefined && !(typeof deadlineMs === 'number' && deadlineMs > 0)) {
    throw invalid('deadlineMs must be a number of milliseconds greater than 0.')
  }
  if (buffered !== undefined && typeof buffered !== 'boolean') throw invalid('buffered must be true or false.')
  if (resume !== undefined && typeof resume !== 'boolean') throw invalid('resume must be true or false.')
  if (cache !== undefined && typeof cache !== 'boolean') throw invalid('cache must be true or false.')
  if (priority !== undefined && !PRIORITIES.includes(priority)) {
    throw invalid('priority must be critical, high, normal or low.')
  }
  for (const name of ['tenant', 'affinityKey', 'stickyKey'] as const) {
    const key = options[name]
    if (key !== undefined && !(typeof key === 'string' && key !== '' && key.length <= MAX_KEY_CHARS)) {
      throw invalid(`${name} must be a text of 1 to ${MAX_KEY_CHARS} characters.`)
    }
  }
  // Not instanceof: a signal of another frame, or of a test's simulated browser, is one too.
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
    throw invalid('signal must be an AbortSignal.')
  }
}

/** A body's own field is not overwritten by an option that was not given. */
function defined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>
}

function invalid(message: string, cause?: unknown): SurefootError {
  return new SurefootError({ code: 'INVALID_REQUEST', message }, { cause })
}
