import { SurefootError } from '@surefoot/protocol'
import type { ErrorCode } from '@surefoot/protocol'

import { contextOverflow } from './context-overflow.ts'
import { withCrash } from './crash.ts'
import { errorText, nestedError, presentable } from './error-text.ts'
import type { Attempted, Failure } from './failure.ts'
import { networkVerdict } from './network.ts'
import type { FailureClass, Verdict } from './verdict.ts'

/** A failing status that came faster than this cost the backend nothing. */
const CHEAP_WITHIN_MS = 250
/** A deterministic fault of a model on a backend: another try there would only repeat it. */
const AVOID_BROKEN_MS = 600_000

/**
 * The only place that judges a failure; everything else reads its verdict.
 *
 * Source: tables 1.1, 1.2 and 1.5 of the reliability reference; `F` numbers in the rules point there.
 */
export function classify(failure: Failure, attempted: Attempted): Verdict {
  switch (failure.kind) {
    case 'network':
      return networkVerdict(failure, attempted)
    case 'status':
      return statusVerdict(failure, attempted)
    case 'error-line':
      return errorLineVerdict(failure, attempted)
    case 'no-end-mark':
      return brokenStream(attempted, 'ended its answer without the end mark', failure.gotToken)
    case 'bad-line':
      return failure.gotToken
        ? brokenStream(attempted, 'sent a line that is not JSON in the middle of its answer', true)
        : verdict('node', 'BAD_RESPONSE', `${at(attempted)} sent something that is not Ollama's protocol.`, attempted)
    case 'silence':
      return {
        ...verdict(
          failure.gotToken ? 'stream' : 'node',
          'RESPONSE_TIMEOUT',
          `${at(attempted)} sent nothing for ${Math.round(failure.silentMs / 1000)} s ${failure.gotToken ? 'in the middle of its answer' : 'and no first token'}.`,
          attempted,
        ),
        // The one that is silent now will be silent again; and its work may still be running (F23, F39).
        retry: 'elsewhere',
      }
  }
}

interface Rule {
  readonly match: RegExp
  readonly verdict: (text: string, attempted: Attempted) => Verdict
}

const modelFault =
  (avoidModelMs: number, retry: Verdict['retry'], extra: Partial<Verdict> = {}) =>
  (text: string, attempted: Attempted): Verdict => ({
    ...verdict(
      'model',
      'MODEL_FAILED',
      `${at(attempted)} cannot run ${attempted.model}: ${presentable(text)}`,
      attempted,
    ),
    avoidModelMs,
    retry,
    ...extra,
  })

const failed = (text: string, attempted: Attempted): Verdict =>
  verdict('node', 'BACKEND_FAILED', `${at(attempted)} failed: ${presentable(text)}`, attempted)

const runnerDied = (text: string, attempted: Attempted): Verdict => ({
  ...failed(text, attempted),
  memoryLost: 'model',
})

const overloaded = (text: string, attempted: Attempted): Verdict => ({
  ...verdict(
    'overload',
    'OVERLOADED',
    `${at(attempted)} is busy: ${presentable(text) || 'it refuses more requests'}`,
    attempted,
  ),
  prompt: false,
})

/** llama-server's words while it loads; with another status they are part of some other complaint. */
const LOADING = /loading model/i

const loading = (attempted: Attempted): Verdict => ({
  ...verdict('loading', 'OVERLOADED', `${at(attempted)} is still loading ${attempted.model}.`, attempted),
  prompt: false,
})

/** What the words of an error say, whatever status they came with; the first match wins. */
const RULES: readonly Rule[] = [
  // A caller's mistake that Ollama answers with 500.
  {
    match: /option ".*" must be of type|^invalid format:|invalid json schema in format/i,
    verdict: (text, attempted) => mistake('INVALID_REQUEST', text, attempted),
  },
  { match: /server busy|maximum pending|no slots available|llm busy/i, verdict: overloaded }, // F1, F16
  {
    match: /timed out waiting for llama/i,
    verdict: modelFault(4_000, 'anywhere', { prompt: false, sameAfterMs: 4_000 }),
  }, // F4
  {
    match: /requires more system memory|more .*memory.* than is available/i,
    verdict: modelFault(30_000, 'elsewhere', { memoryLost: 'model', tooLarge: true }),
  }, // F10
  {
    match: /out of memory|cudamalloc failed|failed to allocate|unable to allocate|insufficient memory/i, // F9
    verdict: modelFault(5_000, 'anywhere', { prompt: false, sameAfterMs: 5_000, memoryLost: 'all', tooLarge: true }),
  },
  { match: /process has terminated: (exit status|signal)|0xc00/i, verdict: modelFault(AVOID_BROKEN_MS, 'elsewhere') }, // F6
  {
    match: /unexpectedly stopped|unexpected eof|: eof\b|connection reset|wsarecv|forcibly closed/i,
    verdict: runnerDied,
  }, // F7, F8
  {
    match:
      /unknown model architecture|unsupported|invalid (file )?magic|tensor|gguf string length|not in gguf format|exceeds file size/i,
    verdict: modelFault(AVOID_BROKEN_MS, 'elsewhere'),
  },
]

function statusVerdict(failure: Failure & { kind: 'status' }, attempted: Attempted): Verdict {
  const text = errorText(failure.body)
  const { status } = failure
  if (status >= 400 && status < 500) {
    const byStatus = callerVerdict(status, text, failure.body, attempted)
    if (byStatus !== undefined) return byStatus
  }
  const judged = backendVerdict(failure, text, attempted)
  if (judged !== undefined) {
    const cheap = failure.elapsedMs <= CHEAP_WITHIN_MS
    const told = { ...withRetryAfter(judged, failure.retryAfterMs), cheap }
    // Only Ollama itself says 500; what stands before it speaks of connections of its own.
    return status === 500 ? withCrash(told, text, attempted) : told
  }
  return verdict(
    'node',
    'BAD_RESPONSE',
    `${at(attempted)} answered with status ${status}, which Ollama does not.`,
    attempted,
  )
}

/** What a status says of the backend; `undefined` for one that Ollama does not know. */
function backendVerdict(
  { status, retryAfterMs }: Failure & { kind: 'status' },
  text: string,
  attempted: Attempted,
): Verdict | undefined {
  if (status === 429 || status === 529) return overloaded(text, attempted)
  if (status === 503 && LOADING.test(text)) return loading(attempted)
  if (status === 503 && retryAfterMs !== undefined) return overloaded(text, attempted)
  const rule = RULES.find((candidate) => candidate.match.test(text))
  if (rule !== undefined) return rule.verdict(text, attempted)
  if (status < 500 && status !== 408 && status !== 499) return undefined
  const said = presentable(text).replace(/\.$/, '')
  const message = `${at(attempted)} answered with status ${status}${said === '' || said.startsWith('<') ? '' : `: ${said}`}.`
  return verdict('node', 'BACKEND_FAILED', message, attempted)
}

function callerVerdict(status: number, text: string, body: string, attempted: Attempted): Verdict | undefined {
  switch (status) {
    case 400: {
      const nested = nestedError(body)
      const overflow = nested?.['type'] === 'exceed_context_size_error'
      // 0.32 gives the numbers, 0.24 none; `context length` alone also stands in other complaints.
      if (!overflow && !/exceeds the context length|longer than the context length/i.test(text))
        return mistake('INVALID_REQUEST', text, attempted)
      const needed = tokens(nested?.['n_prompt_tokens'])
      const error = contextOverflow({ ...attempted, needed, available: tokens(nested?.['n_ctx']) })
      return { class: 'client', error, cheap: true, retry: 'never', prompt: false }
    }
    case 401:
      return mistake('UNAUTHORIZED', text || 'the backend asks for a key', attempted)
    case 403:
      return mistake('FORBIDDEN', text || 'the backend refuses this host name or origin', attempted)
    case 404:
      // Another program on that port has no such route; only Ollama knows of models.
      return /model|pull/i.test(text) ? missingModel(attempted) : undefined
    case 405:
    case 415:
    case 422:
      return mistake('INVALID_REQUEST', text, attempted)
    case 413:
      return mistake('PAYLOAD_TOO_LARGE', text || 'the request is too large for the backend', attempted)
    default:
      return undefined
  }
}

function tokens(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

function errorLineVerdict(failure: Failure & { kind: 'error-line' }, attempted: Attempted): Verdict {
  const text = errorText(failure.text)
  const rule = RULES.find((candidate) => candidate.match.test(text))
  const byWords = rule?.verdict(text, attempted) ?? failed(text, attempted)
  if (!failure.gotToken) {
    return withCrash({ ...byWords, cheap: failure.elapsedMs <= CHEAP_WITHIN_MS }, text, attempted)
  }
  // The stream is what broke, but the words say when this backend can run the model again (F18).
  const { error } = brokenStream(attempted, `broke off its answer: ${presentable(text)}`, true)
  return withCrash({ ...byWords, class: 'stream', error, cheap: false }, text, attempted)
}

function missingModel(attempted: Attempted): Verdict {
  const { model, backend } = attempted
  const error = new SurefootError({
    code: 'MODEL_NOT_FOUND',
    message: `Model ${model} not found. Run: ollama pull ${model}`,
    backend,
  })
  return { class: 'missing', error, cheap: true, retry: 'elsewhere', prompt: true }
}

function mistake(code: ErrorCode, text: string, attempted: Attempted): Verdict {
  const said = presentable(text) || 'the request is not valid'
  const error = new SurefootError({
    code,
    message: `Ollama refused the request: ${said}.`.replace(/\.\.$/, '.'),
    backend: attempted.backend,
  })
  return { class: 'client', error, cheap: true, retry: 'never', prompt: false }
}

function brokenStream(attempted: Attempted, what: string, gotToken: boolean): Verdict {
  return verdict(gotToken ? 'stream' : 'node', 'STREAM_INTERRUPTED', `${at(attempted)} ${what}.`, attempted)
}

function verdict(failureClass: FailureClass, code: ErrorCode, message: string, attempted: Attempted): Verdict {
  const error = new SurefootError({ code, message, backend: attempted.backend })
  return { class: failureClass, error, cheap: false, retry: 'anywhere', prompt: true }
}

function withRetryAfter(judged: Verdict, retryAfterMs: number | undefined): Verdict {
  if (retryAfterMs === undefined) return judged
  return { ...judged, error: judged.error.with({ retryAfterMs }), prompt: false, sameAfterMs: retryAfterMs }
}

function at(attempted: Attempted): string {
  return `Ollama at ${attempted.backend}`
}
