import type { ChatChunk, ErrorCode } from '@surefoot/protocol'

import type { Clock } from '../../runtime/runtime.ts'
import { isoTime } from '../../runtime/iso-time.ts'
import type { Delta, Final, Reply } from '../../service.ts'
import { WireDelta } from '../../wire-delta.ts'

/** The configured text in the place of an answer; it says of itself that it is one, and why. */
export function fallbackReply(text: string, model: string, reason: ErrorCode, clock: Clock): Reply {
  const created_at = isoTime(clock)
  const chunk = (content: string): ChatChunk => ({
    model,
    created_at,
    message: { role: 'assistant', content },
    done: false,
  })
  const end = WireDelta.printed({ ...chunk(''), done: true, done_reason: 'stop' })
  const body = async function* (): AsyncGenerator<Delta, Final, void> {
    yield WireDelta.printed(chunk(text))
    return { bytes: end.bytes, chunk: end.chunk }
  }
  return { backend: '', how: { served: 'fallback', reason }, body: body() }
}
