import { answerToChunk } from '@surefoot/protocol'
import type { ChatAnswer, ChatChunk, DeltaEvent, Run } from '@surefoot/protocol'

import { errorToSurefootError, errorToText, isAbort } from './errors.ts'

/** What is known of a run at its commit point; it travels in headers. */
export interface RunFacts {
  attempts: number
  backend?: string | undefined
  served?: string | undefined
  reason?: string | undefined
  variant?: string | undefined
}

/** In process, events of core carry the line as Ollama sent it; from elsewhere they do not. */
interface RawLine {
  readonly bytes?: Uint8Array | undefined
}

/** What the last line says of an answer that broke and was gone on with, beside Ollama's fields. */
interface ResumeMark {
  readonly count: number
  /** Where it broke the last time, in characters of the answer. */
  readonly at_char: number
}

const encoder = new TextEncoder()
const LINE_END = 0x0a

/**
 * The run as Ollama's lines, each with its line end and never an empty one (Go and Python clients take that for an
 * error). A line that came from Ollama is handed on byte for byte: printing it again would reorder keys and round
 * numbers in tool calls.
 */
export async function* runToLines(run: Run, model: string, facts: RunFacts): AsyncGenerator<Uint8Array, void> {
  let resume: ResumeMark | undefined
  for await (const event of run) {
    if (event.type === 'attempt' || event.type === 'resumed') {
      facts.attempts = event.attempt
      facts.backend = event.backend
      if (event.type === 'resumed') resume = { count: (resume?.count ?? 0) + 1, at_char: event.atChar }
    } else if (event.type === 'delta') {
      yield lineOf(event as RawLine) ?? print(deltaToChunk(event, model))
    } else if (event.type === 'finish') {
      facts.attempts = event.answer.attempts
      facts.backend = event.answer.backend
      Object.assign(facts, how(event.answer))
      const served = servedMark(event.answer)
      // The backend's own last line knows only of the part that it wrote itself.
      const raw = resume === undefined && served === undefined ? lineOf(event as RawLine) : undefined
      if (raw !== undefined) yield raw
      else {
        const { message, ...rest } = answerToChunk(event.answer)
        const marks = { ...(resume && { x_resume: resume }), ...(served && { x_served: served }) }
        yield print({ ...rest, message: { role: message.role, content: '' }, ...marks })
      }
    }
  }
}

/** How an answer came about. */
function how({ served, reason, variant }: ChatAnswer): Pick<RunFacts, 'served' | 'reason' | 'variant'> {
  return { served, reason, variant }
}

/** What the last line says of it, where there is more to say than that the model answered. */
function servedMark(answer: ChatAnswer): object | undefined {
  const { served, reason, variant } = answer
  return served === undefined || (served === 'model' && variant === undefined)
    ? undefined
    : { by: served, reason, variant }
}

/**
 * The body of a streamed answer. The reader pulls: while it does not, nothing is asked of the run, which in turn makes
 * Ollama's socket wait. A failure after the first line is a last line `{"error":"…"}`, as Ollama does it.
 */
export function linesToBody(
  first: IteratorResult<Uint8Array, void>,
  lines: AsyncGenerator<Uint8Array, void>,
  stop: () => void,
): ReadableStream<Uint8Array> {
  let pending: IteratorResult<Uint8Array, void> | undefined = first
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const next = pending ?? (await lines.next())
          pending = undefined
          if (next.done === true) controller.close()
          else controller.enqueue(next.value)
        } catch (error) {
          if (!isAbort(error)) controller.enqueue(print({ error: errorToText(errorToSurefootError(error)) }))
          controller.close()
        }
      },
      cancel() {
        // Not `lines.return()`: that waits for the token in flight, and a silent model would go on generating.
        stop()
      },
    },
    { highWaterMark: 0 },
  )
}

function lineOf({ bytes }: RawLine): Uint8Array | undefined {
  if (bytes === undefined) return undefined
  const line = new Uint8Array(bytes.length + 1)
  line.set(bytes)
  line[bytes.length] = LINE_END
  return line
}

function deltaToChunk(event: DeltaEvent, model: string): ChatChunk {
  return {
    model,
    created_at: new Date().toISOString(),
    message: {
      role: 'assistant',
      content: event.text,
      ...(event.thinking !== undefined && { thinking: event.thinking }),
      ...(event.toolCalls !== undefined && { tool_calls: event.toolCalls }),
    },
    done: false,
  }
}

function print(value: unknown): Uint8Array {
  return encoder.encode(`${JSON.stringify(value)}\n`)
}
