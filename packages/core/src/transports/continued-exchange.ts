import type { ChatRequest } from '@surefoot/protocol'

import type { ContinueFrom, Delta, Final } from '../service.ts'
import { WireDelta, withText } from '../wire-delta.ts'
import { readChatLine, readGenerateLine } from './chat-line.ts'
import type { ChatLine } from './chat-line.ts'
import type { Exchange } from './exchange.ts'

/** The half answer as a last assistant message: the model goes on with it. */
export function prefillExchange(request: ChatRequest, from: ContinueFrom): Exchange {
  const messages = [...request.messages, { role: 'assistant', content: from.text }]
  const body = { ...request, messages, ...optionsLeft(request, from) }
  const read = from.mode === 'chat-prefill+echo' ? withoutEcho(from.text) : readChatLine
  return { path: '/api/chat', body: Buffer.from(JSON.stringify(body)), read }
}

/** The rendered prompt with the half answer after it; its answer is read as the chat lines it would have been. */
export function rawExchange(request: ChatRequest, from: ContinueFrom, prompt: string): Exchange {
  const { model, keep_alive } = request
  const body = {
    model,
    keep_alive,
    prompt: prompt + from.text,
    raw: true,
    stream: true,
    ...('truncate' in request && { truncate: request['truncate'] }),
    ...('shift' in request && { shift: request['shift'] }),
    options: request.options,
    ...optionsLeft(request, from),
  }
  return { path: '/api/generate', body: Buffer.from(JSON.stringify(body)), read: readGenerateLine }
}

/** What was generated already is not generated once more on top; 0 and less mean no limit. */
function optionsLeft({ options }: ChatRequest, { tokens }: ContinueFrom): Pick<ChatRequest, 'options'> {
  const limit = options?.['num_predict']
  if (typeof limit !== 'number' || limit <= 0) return {}
  return { options: { ...options, num_predict: Math.max(1, limit - tokens) } }
}

/**
 * Leaves out the half where an answer begins with it again, however it is cut into lines. What only looked like its
 * beginning is given back.
 */
function withoutEcho(half: string): (bytes: Buffer) => ChatLine {
  /** The text so far, while it may still be the half. */
  let seen: string | undefined = ''
  return (bytes) => {
    const line = readChatLine(bytes)
    if (seen === undefined || (line.kind !== 'delta' && line.kind !== 'final')) return line
    const delta = line.kind === 'delta' ? line.delta : line.rest
    const own = delta?.text ?? ''
    if (line.kind === 'delta' && own === '') return line
    const all = seen + own
    if (line.kind === 'delta' && all.length < half.length && half.startsWith(all)) {
      seen = all
      return { kind: 'nothing' }
    }
    seen = undefined
    // Without an echo, or with a part of one, the seam is judged where the two texts are put together.
    const text = all.startsWith(half) ? all.slice(half.length) : all
    if (text === own) return line
    if (line.kind === 'delta')
      return text === '' ? { kind: 'nothing' } : { kind: 'delta', delta: withText(line.delta, text) }
    return { ...line, rest: text === '' ? undefined : withText(delta ?? pieceOf(line.final), text) }
  }
}

/** A piece without text of its own. */
function pieceOf({ chunk: { model, created_at, message } }: Final): Delta {
  return WireDelta.printed({ model, created_at, message, done: false })
}
