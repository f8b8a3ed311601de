import type { ChatAnswer, ChatChunk } from '@surefoot/protocol'
import { answerToChunk } from '@surefoot/protocol'
import { z } from 'zod'

import { ReplayBody } from '../replay-body.ts'
import type { Final, Reply } from '../service.ts'
import { WireDelta } from '../wire-delta.ts'

/** Part of every value: what another version wrote is as good as nothing. */
const FORM = 1

/** An answer as it is kept: Ollama's two lines, and where they come from. */
export interface StoredAnswer {
  /** The whole message, as one line that is not the last. */
  readonly delta: ChatChunk
  /** The last line, with Ollama's statistics. */
  readonly final: ChatChunk
  /** Epoch milliseconds at which a model wrote it. */
  readonly cachedAtMs: number
  /** Of the model that wrote it, as far as it was known. */
  readonly digest?: string | undefined
}

/** The latest instant that a date can be. */
const LAST_MS = 8.64e15

const text = z.string()
const number = z.number().optional()
const base = { model: text, created_at: text }
const storedSchema = z.object({
  form: z.literal(FORM),
  cachedAtMs: z.number().min(0).max(LAST_MS),
  digest: text.optional(),
  delta: z.looseObject({
    ...base,
    message: z.looseObject({
      role: text,
      content: text,
      thinking: text.optional(),
      tool_calls: z.array(z.looseObject({})).optional(),
    }),
    done: z.literal(false),
  }),
  final: z.looseObject({
    ...base,
    message: z.looseObject({ role: text, content: z.literal('') }),
    done: z.literal(true),
    done_reason: z.literal('stop'),
    total_duration: number,
    load_duration: number,
    prompt_eval_count: number,
    prompt_eval_duration: number,
    eval_count: number,
    eval_duration: number,
  }),
})

/**
 * The form in which an answer is kept; `undefined` for one that must not be: a model's whole answer that came to its own
 * end and says something is worth keeping, and nothing else is.
 */
export function writeAnswer(answer: ChatAnswer, cachedAtMs: number, digest: string | undefined): string | undefined {
  if (answer.served !== 'model' || answer.done_reason !== 'stop' || saysNothing(answer)) return undefined
  const { model, created_at, message, ...rest } = answerToChunk(answer)
  const delta: ChatChunk = { model, created_at, message, done: false }
  const final: ChatChunk = { model, created_at, message: { role: message.role, content: '' }, ...rest }
  return JSON.stringify({ form: FORM, cachedAtMs, digest, delta, final })
}

/** Reads what `writeAnswer` wrote; `undefined` for anything else. */
export function readAnswer(written: string): StoredAnswer | undefined {
  try {
    const read = storedSchema.safeParse(JSON.parse(written))
    return read.success ? (read.data as StoredAnswer) : undefined
  } catch {
    return undefined
  }
}

/** The answer once more, in Ollama's form; `undefined` for what cannot be printed, as it is nested too deeply. */
export function replyFrom({ delta, final, cachedAtMs }: StoredAnswer): Reply | undefined {
  try {
    const last: Final = { bytes: Buffer.from(JSON.stringify(final)), chunk: final }
    return { backend: '', how: { served: 'cache', cachedAtMs }, body: new ReplayBody([WireDelta.printed(delta)], last) }
  } catch {
    return undefined
  }
}

/** Thoughts alone are no answer. */
function saysNothing({ message }: ChatAnswer): boolean {
  return message.content.trim() === '' && (message.tool_calls?.length ?? 0) === 0
}
