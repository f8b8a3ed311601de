import type { ChatRequest } from '@surefoot/protocol'

import type { ContinueFrom } from '../service.ts'
import { withText } from '../wire-delta.ts'
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

/** Leaves out the half where an answer begins with it again, however it is cut into lines. */
function withoutEcho(half: string): (bytes: Buffer) => ChatLine {
  let left = half
  return (bytes) => {
    const line = readChatLine(bytes)
    if (left === '' || line.kind !== 'delta') return line
    const { text } = line.delta
    if (text.startsWith(left)) {
      const rest = text.slice(left.length)
      left = ''
      return rest === '' ? { kind: 'nothing' } : { kind: 'delta', delta: withText(line.delta, rest) }
    }
    if (left.startsWith(text)) {
      left = left.slice(text.length)
      return { kind: 'nothing' }
    }
    // No echo this time, or not a whole one: the seam is judged where the two texts are put together.
    left = ''
    return line
  }
}
