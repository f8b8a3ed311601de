import type { ChatRequest } from '@surefoot/protocol'

import type { Backend } from './backend.ts'
import type { ContinuationMode } from './continuation-mode.ts'
import type { Identity } from './health.ts'
import { RequestBroken } from './post-whole.ts'
import type { WholeAnswer } from './post-whole.ts'
import { renderRequest, renderedPrompt } from './render-prompt.ts'

/** How much of the answer to the test question is compared, in tokens, and where it is cut. */
const COMPARED_TOKENS = 24
const CUT_AT = 12
/** So many characters after the seam must be the same: two or three words, which chance does not give. */
const AGREED_CHARS = 12
/** A question with a long answer in prose, which a new turn would not go on with in the middle. */
const QUESTION = { role: 'user', content: 'Describe the water cycle in two sentences.' }
/** A half answer that no template changes. */
const HALF = 'ab cd'

/**
 * Options that shape the text and not the loaded model. The proof leaves them out, so that it is greedy; with all others
 * it is sent as its callers' requests are, or Ollama would reload the model for it.
 */
const SAMPLING_OPTIONS = new Set([
  'num_keep',
  'seed',
  'num_predict',
  'top_k',
  'top_p',
  'min_p',
  'tfs_z',
  'typical_p',
  'repeat_last_n',
  'temperature',
  'repeat_penalty',
  'presence_penalty',
  'frequency_penalty',
  'mirostat',
  'mirostat_tau',
  'mirostat_eta',
  'penalize_newline',
  'stop',
])

/** Sends one of the proof's requests; rejects when there is no answer. */
export type Ask = (path: '/api/chat' | '/api/generate', body: object) => Promise<WholeAnswer>

/** One backend, as far as a proof needs it. */
export interface Provable {
  readonly backend: Backend
  /** What the model's tag stood for when the backend was last looked at; asks nobody. */
  readonly identityOf: (model: string) => Identity | undefined
  /** Looks at the backend again, unless that was done a moment ago. */
  readonly recheck: () => Promise<void>
  /** Sends a request of the proof. */
  readonly ask: (limitMs: number, signal: AbortSignal) => Ask
}

/** The pieces of one answer, one a token as a rule. */
type Pieces = readonly string[]

/**
 * Finds out how a model goes on from a half answer: by what its template makes of one, and by cutting one short greedy
 * answer and having it gone on with. Sends at most five requests, two or three of which generate 24 tokens or fewer.
 * Rejects with `RequestBroken` when one of them is not answered whole.
 *
 * Source: section 3.3 of the reliability reference.
 *
 * @param request a call's own request, for its model, load options and `keep_alive`.
 * @returns `none` also when the answers say nothing either way, as after an answer of one word.
 */
export async function proveContinuation(ask: Ask, request: ChatRequest): Promise<ContinuationMode> {
  const asked = questionFor(request)
  const whole = await generated(ask, '/api/chat', asked)
  if (typeof whole === 'string') return 'none'
  const cut = cutOf(whole)
  if (cut === undefined) return 'none'
  const half = whole.slice(0, cut).join('')
  const rest = whole.slice(cut).join('')
  const options = greedy(request, COMPARED_TOKENS - cut)

  const trial = await rendered(ask, withHalf(asked, HALF))
  if (trial?.endsWith(HALF) === true) {
    const pieces = await generated(ask, '/api/chat', { ...withHalf(asked, half), options })
    if (pieces === 'refused') return 'none'
    const text = typeof pieces === 'string' ? '' : pieces.join('')
    if (agrees(text, rest)) return 'chat-prefill'
    if (text.startsWith(half) && agrees(text.slice(half.length), rest)) return 'chat-prefill+echo'
  }
  const prompt = await rendered(ask, asked)
  if (prompt === undefined || prompt === '') return 'none'
  const { model, keep_alive } = asked
  const raw = { model, keep_alive, prompt: prompt + half, raw: true, stream: true, options }
  const pieces = await generated(ask, '/api/generate', raw)
  return typeof pieces !== 'string' && agrees(pieces.join(''), rest) ? 'raw' : 'none'
}

/** With the load options also where it is only rendered: Ollama brings the model into memory for that too. */
function questionFor(request: ChatRequest): ChatRequest {
  const { model, keep_alive, think } = request
  return { model, messages: [QUESTION], stream: true, keep_alive, think, options: greedy(request, COMPARED_TOKENS) }
}

function withHalf(request: ChatRequest, content: string): ChatRequest {
  return { ...request, messages: [...request.messages, { role: 'assistant', content }] }
}

function greedy(request: ChatRequest, tokens: number): Record<string, unknown> {
  const kept = Object.entries(request.options ?? {}).filter(([name]) => !SAMPLING_OPTIONS.has(name))
  return { ...Object.fromEntries(kept), temperature: 0, seed: 1, num_predict: tokens }
}

/** Before which piece the answer is cut: about the twelfth, and not after white space, which templates trim. */
function cutOf(pieces: Pieces): number | undefined {
  for (let cut = Math.min(CUT_AT, pieces.length >> 1); cut > 0; cut--) {
    if (/\S$/.test(pieces[cut - 1] ?? '')) return cut
  }
  return undefined
}

function agrees(text: string, rest: string): boolean {
  const needed = rest.slice(0, AGREED_CHARS)
  return needed.trim() !== '' && text.startsWith(needed)
}

/** The prompt for a request; `undefined` when this Ollama or this template makes none of it. Rejects when it broke. */
async function rendered(ask: Ask, request: ChatRequest): Promise<string | undefined> {
  const answer = await ask('/api/chat', renderRequest(request))
  const { status, body } = answer
  if (status !== 200 && status !== 400) throw new RequestBroken({ kind: 'status', status, body, elapsedMs: 0 })
  return renderedPrompt(answer)
}

/** Text in pieces; `refused` as a request that cannot be served, or `other` than plain text. Rejects when it broke. */
async function generated(ask: Ask, path: Parameters<Ask>[0], body: object): Promise<Pieces | 'refused' | 'other'> {
  const { status, body: text } = await ask(path, body)
  if (status === 400) return 'refused'
  if (status !== 200) throw new RequestBroken({ kind: 'status', status, body: text, elapsedMs: 0 })
  const pieces: string[] = []
  let ended = false
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const { error, message, response, done } = JSON.parse(line) as {
      error?: unknown
      message?: { content?: unknown; thinking?: unknown; tool_calls?: unknown }
      response?: unknown
      done?: unknown
    }
    if (error !== undefined) {
      throw new RequestBroken({ kind: 'error-line', text: String(error), gotToken: false, elapsedMs: 0 })
    }
    if (message?.thinking !== undefined || message?.tool_calls !== undefined) return 'other'
    const piece = message?.content ?? response
    if (typeof piece === 'string' && piece !== '') pieces.push(piece)
    ended = done === true
  }
  if (!ended) throw new RequestBroken({ kind: 'no-end-mark', gotToken: false })
  return pieces
}
