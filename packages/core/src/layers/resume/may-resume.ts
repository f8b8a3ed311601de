import type { Call } from '../../service.ts'

/** A half answer that is longer is not sent back, in bytes. */
const LONGEST_HALF_BYTES = 64 * 1024
/** So many equal pieces in a row at the end are a model in a loop: Ollama cuts it after 30 (F19), and it would go on so. */
const LOOPING_PIECES = 30

/**
 * Whether the answer to this call is plain text that can be gone on from: what has tools, a format or thinking has a state
 * that a half text does not carry. Source: section 3.3 of the reliability reference.
 */
export function isPlainText({ kind, buffered, request }: Call): boolean {
  if (kind !== 'chat' || buffered) return false
  const { tools, format, think, messages } = request
  if ((tools?.length ?? 0) > 0 || (format ?? '') !== '') return false
  if (isOn(think) || isOn(request['logprobs']) || isOn(request['top_logprobs'])) return false
  return messages.at(-1)?.role !== 'assistant'
}

/** Whether there is something to go on from, and something left to say. */
export function isUnfinished(call: Call, half: string, tokens: number, lastPiece: string): boolean {
  if (half === '' || Buffer.byteLength(half) > LONGEST_HALF_BYTES) return false
  const limit = call.request.options?.['num_predict']
  if (typeof limit === 'number' && limit > 0 && tokens >= limit) return false
  return lastPiece.trim() === '' || !half.endsWith(lastPiece.repeat(LOOPING_PIECES))
}

function isOn(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== '' && value !== 0
}
