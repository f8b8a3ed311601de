import { type ChosenAnswer, chooseAnswer } from './answers.ts'
import type { Dialect, GenerationStats } from './dialect.ts'
import type { Exchange, World } from './exchange.ts'
import { RUNNER_DIED_TEXT } from './faults.ts'
import type { GenerationRequest } from './generation-request.ts'
import { goJson } from './go-json.ts'
import type { CompleteModel } from './models.ts'
import { pause, untilAborted } from './pause.ts'

/** At full speed the event loop gets a turn after the first token and then after so many. */
const TOKENS_PER_TURN = 16

const GARBAGE_TEXT = '<html><body>It works!</body></html>'

/** What was known before a generation began; times in ms. */
export interface Begun {
  readonly startedMs: number
  readonly loadedMs: number
  /** Tokens that a cut left of its prompt. */
  readonly cutTo: number | undefined
}

/** Waits for a slot, generates and answers; resolves with whether the answer was sent whole. */
export async function generate(
  exchange: Exchange,
  world: World,
  request: GenerationRequest,
  model: CompleteModel,
  dialect: Dialect,
  { startedMs, loadedMs, cutTo }: Begun,
): Promise<boolean> {
  const { reply, fault, signal } = exchange
  const { answers, answerTokens } = world.settings()
  const factor = fault?.kind === 'slow' ? (fault.factor ?? 10) : 1
  const chosen = chooseAnswer(answers, request, model, answerTokens)
  const answer = { ...chosen, promptTokens: cutTo ?? chosen.promptTokens }
  const tokens = answer.tokens.slice(0, request.limit)
  const breakAt = breakingToken(exchange, tokens.length)
  const release = await world.slots.take(model.name, signal)
  // Tokens since the client was last seen connected; the first of them was made knowing that it was.
  let unseen = 0
  try {
    // Read only now, so that a change reaches the requests in the queue.
    const { firstTokenMs, tokensPerSecond } = world.settings()
    const intervalMs = (1000 * factor) / tokensPerSecond
    const promptStartMs = performance.now()
    if (firstTokenMs > 0) await pause(firstTokenMs * factor, signal)
    const firstMs = performance.now()
    for (let index = 0; index < tokens.length; index++) {
      if (index === breakAt) return await breakOff(exchange, world, dialect, tokens.slice(0, index), request)
      const waitMs = firstMs + index * intervalMs - performance.now()
      if (waitMs > 0 || index === 1 || index % TOKENS_PER_TURN === 0) {
        await pause(waitMs, signal)
        unseen = 0
      }
      world.tally().tokens++
      unseen++
      if (!request.isStream) continue
      if (index === 0) reply.begin(200, dialect.streamType)
      const isGarbage = isGarbageLine(exchange, index)
      const line = isGarbage ? garbageLine(exchange, dialect) : dialect.token(tokens[index] as string, index === 0)
      const writable = reply.chunk(line)
      if (writable !== undefined) await writable
    }
    if (breakAt === tokens.length) return await breakOff(exchange, world, dialect, tokens, request)
    const endMs = performance.now()
    await finish(exchange, request, dialect, tokens, {
      isDone: fault?.kind !== 'done-false',
      ...reasonAndNumbers(request, answer, tokens.length, {
        totalNs: nanos(endMs - startedMs),
        loadNs: nanos(loadedMs - startedMs),
        promptNs: nanos(firstMs - promptStartMs),
        evalNs: nanos(endMs - firstMs),
      }),
    })
    return true
  } finally {
    if (signal.aborted) world.tally().wastedTokens += Math.max(0, unseen - 1)
    release()
  }
}

async function finish(
  { reply, fault }: Exchange,
  request: GenerationRequest,
  dialect: Dialect,
  tokens: readonly string[],
  stats: GenerationStats,
): Promise<void> {
  if (!request.isStream) {
    if (fault?.kind === 'garbage') return await reply.send(200, wholeHead(dialect), fault.text ?? GARBAGE_TEXT)
    return await reply.json(200, dialect.whole(tokens.join(''), stats), dialect.bodyKind)
  }
  if (!reply.hasBegun) reply.begin(200, dialect.streamType)
  const isGarbage = fault?.kind === 'garbage' && (fault.atLine ?? tokens.length) === tokens.length
  await reply.chunk(isGarbage ? dialect.frame(fault.text ?? GARBAGE_TEXT) : dialect.last(stats))
  reply.end()
}

/** Before which token the answer breaks; with fewer tokens than asked for, before the last line. */
function breakingToken({ fault }: Exchange, tokenCount: number): number | undefined {
  switch (fault?.kind) {
    case 'cut-at-token':
    case 'stall-at-token':
    case 'error-line':
    case 'no-done':
      return Math.min(fault.afterTokens ?? 3, tokenCount)
    default:
      return undefined
  }
}

async function breakOff(
  exchange: Exchange,
  world: World,
  dialect: Dialect,
  tokens: readonly string[],
  request: GenerationRequest,
): Promise<boolean> {
  const { reply, fault, signal } = exchange
  switch (fault?.kind) {
    case 'cut-at-token':
      reply.cut()
      break
    case 'stall-at-token':
      world.stalled.add(exchange)
      await untilAborted(signal)
      break
    case 'error-line': {
      const text = fault.text ?? RUNNER_DIED_TEXT
      if (!reply.hasBegun) await sendLateError(exchange, request, dialect, 500, text)
      else {
        await reply.chunk(dialect.broken(text))
        reply.end()
      }
      break
    }
    default:
      if (request.isStream) {
        if (!reply.hasBegun) reply.begin(200, dialect.streamType)
        reply.end()
      } else {
        const whole = dialect.whole(tokens.join(''), { isDone: false, doneReason: 'stop' })
        await reply.json(200, whole, dialect.bodyKind)
      }
  }
  return false
}

/** An error before the first token: for a stream it comes chunked, as the stream's handler has begun. */
export async function sendLateError(
  { reply }: Exchange,
  request: GenerationRequest,
  dialect: Dialect,
  status: number,
  message: string,
): Promise<void> {
  const error = dialect.error(status, message)
  if (!request.isStream) return await reply.json(status, error, dialect.bodyKind)
  reply.begin(status, 'application/json')
  await reply.chunk(goJson(error))
  reply.end()
}

function isGarbageLine({ fault }: Exchange, index: number): boolean {
  return fault?.kind === 'garbage' && (fault.atLine === undefined || fault.atLine === index)
}

function garbageLine({ fault }: Exchange, dialect: Dialect): string {
  return dialect.frame(fault?.kind === 'garbage' ? (fault.text ?? GARBAGE_TEXT) : '')
}

function wholeHead(dialect: Dialect): [string, string][] {
  return [['Content-Type', dialect.bodyKind === 'charset' ? 'application/json; charset=utf-8' : 'application/json']]
}

function reasonAndNumbers(
  request: GenerationRequest,
  answer: ChosenAnswer,
  tokenCount: number,
  durations: { totalNs: number; loadNs: number; promptNs: number; evalNs: number },
): Pick<GenerationStats, 'doneReason' | 'numbers'> {
  const isCut = answer.tokens.length >= request.limit
  const { promptTokens } = answer
  const context = answer.context ?? Array.from({ length: promptTokens + tokenCount }, (_, index) => index + 1)
  return {
    doneReason: isCut ? 'length' : 'stop',
    numbers: {
      ...durations,
      context: request.route === 'generate' && !request.isRaw ? context : undefined,
      promptTokens,
      // The end token counts too.
      evalCount: answer.evalCount ?? (isCut ? tokenCount : tokenCount + 1),
    },
  }
}

function nanos(ms: number): number {
  return Math.max(1, Math.round(ms * 1e6))
}
