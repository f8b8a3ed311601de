import type { ChatAnswer, RunEvent, RunSink } from '@surefoot/protocol'
import type { ChatStreamProcedureInput } from '@surefoot/server'

import type { Connection } from './connection.ts'
import { errorToFault, interruptedError } from './fault.ts'
import type { Fault } from './fault.ts'
import { untilAborted } from './until-aborted.ts'

/** How far an answer has come. */
export interface Progress {
  /** Events of any kind. */
  events: number
  /** Some of the answer itself reached the caller, be it a thought or a tool call. */
  shown: boolean
  /** The text of all deltas. */
  text: string
}

/** How one request for an answer ended. */
export type Reading = { readonly answer: ChatAnswer } | { readonly fault: Fault }

/**
 * Asks once and hands the events on, at the pace of their reader.
 *
 * An answer counts only with its `finish`, and only if that says the same as the deltas before it: everything else is
 * a broken stream, however it ended.
 */
export async function readAnswer(
  connection: Connection,
  input: ChatStreamProcedureInput,
  signal: AbortSignal,
  sink: RunSink,
  progress: Progress,
): Promise<Reading> {
  const attempt = new AbortController()
  const reading = await readEvents(connection, input, AbortSignal.any([signal, attempt.signal]), sink, progress)
  // What is no answer is not waited for any longer: the server stops generating it.
  if ('fault' in reading) attempt.abort()
  return reading
}

async function readEvents(
  connection: Connection,
  input: ChatStreamProcedureInput,
  signal: AbortSignal,
  sink: RunSink,
  progress: Progress,
): Promise<Reading> {
  const { endpoint } = connection
  let events: AsyncIterable<RunEvent>
  try {
    events = (await connection.open(signal).chatStream.mutate(input)) as AsyncIterable<RunEvent>
    if (typeof events?.[Symbol.asyncIterator] !== 'function') throw new TypeError('The answer is not a stream')
  } catch (error) {
    return { fault: errorToFault(error, endpoint) }
  }
  try {
    for await (const event of events) {
      progress.events++
      if (event.type === 'finish') {
        const { content } = event.answer.message
        if (typeof content !== 'string' || (progress.shown && content !== progress.text)) break
        return { answer: event.answer }
      }
      if (event.type === 'delta') {
        progress.shown = true
        progress.text += event.text
      }
      sink.emit(event)
      const ready = sink.ready()
      if (ready !== undefined) await untilAborted(ready, signal)
    }
    return interrupted(endpoint, undefined)
  } catch (error) {
    const fault = errorToFault(error, endpoint)
    return fault.fromServer ? { fault } : interrupted(endpoint, fault.error)
  }
}

function interrupted(endpoint: string, cause: unknown): Reading {
  return { fault: { error: interruptedError(endpoint, cause), fromServer: false } }
}
