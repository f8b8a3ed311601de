import type { Call } from '../service.ts'
import { readChatLine } from './chat-line.ts'
import type { ChatLine } from './chat-line.ts'

/** What goes over the wire for one attempt, and how its lines are read. */
export interface Exchange {
  readonly path: '/api/chat' | '/api/generate'
  readonly body: Buffer
  /** Called for each line in order. */
  readonly read: (bytes: Buffer) => ChatLine
}

/** A chat from its beginning. */
export function chatExchange({ body }: Call): Exchange {
  if (body === undefined) throw new Error('transport needs a printed request: prepare must stand above it')
  return { path: '/api/chat', body, read: readChatLine }
}
