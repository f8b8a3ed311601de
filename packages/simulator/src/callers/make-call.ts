import type { LocalSurefoot } from '@surefoot/core'
import { SurefootError } from '@surefoot/protocol'
import type { CallOptions, ChatAnswer, ChatInput, RunEvent } from '@surefoot/protocol'

import type { VirtualClock } from '../time/virtual-clock.ts'
import type { CallRecord } from './call-record.ts'
import { historyOf } from './prompt.ts'

/** Who is told what the caller sees. */
export interface CallWatch {
  saw(call: CallRecord, event: RunEvent): void
  answered(call: CallRecord, answer: ChatAnswer, finishes: number): void
  left(call: CallRecord): void
  failed(call: CallRecord, error: SurefootError): void
  /** It ended in a way no call may end. */
  broken(call: CallRecord, failure: unknown): void
}

/** Why a caller ends its call. */
export class CallerLeft extends Error {
  override readonly name = 'CallerLeft'
}

/** Makes one call as an application would, to its end. */
export async function makeCall(
  call: CallRecord,
  surefoot: LocalSurefoot,
  clock: VirtualClock,
  watch: CallWatch,
  mark?: string,
): Promise<void> {
  const { question } = call
  // Where requests have marks, all that callers are told counts.
  const listens = question.streamed || mark !== undefined
  const reason = new CallerLeft('The caller has left')
  const controller = question.leavesAfterMs === undefined ? undefined : new AbortController()
  const leaving =
    question.leavesAfterMs === undefined
      ? undefined
      : clock.at(question.leavesAfterMs, () => {
          call.leftAtMs = clock.nowMs
          controller?.abort(reason)
        })
  try {
    const run = surefoot.run(inputOf(call, mark), optionsOf(call, controller?.signal))
    let finishes = listens ? 0 : 1
    if (listens) {
      for await (const event of run) {
        if (event.type === 'finish') finishes++
        else watch.saw(call, event)
        if (event.type === 'delta' && question.readMs !== undefined) await pause(clock, question.readMs)
      }
    }
    watch.answered(call, await run.answer, finishes)
  } catch (failure) {
    if (failure === reason) watch.left(call)
    else if (SurefootError.is(failure)) watch.failed(call, failure)
    else watch.broken(call, failure)
  } finally {
    if (leaving !== undefined) leaving.cancelled = true
  }
}

function inputOf({ text, question }: CallRecord, mark: string | undefined): ChatInput {
  const options = {
    ...(question.limit !== undefined && { num_predict: question.limit }),
    ...(question.numCtx !== undefined && { num_ctx: question.numCtx }),
    ...(question.temperature !== undefined && { temperature: question.temperature }),
    ...(question.isWrong === true && { temperature: 'warm' }),
  }
  return {
    ...(question.model !== undefined && { model: question.model }),
    ...(mark !== undefined && { keep_alive: mark }),
    messages: [...historyOf(question), { role: 'user', content: text }],
    ...(Object.keys(options).length > 0 && { options }),
  }
}

function optionsOf({ question }: CallRecord, signal: AbortSignal | undefined): CallOptions {
  return {
    buffered: !question.streamed,
    ...(signal !== undefined && { signal }),
    ...(question.deadlineMs !== undefined && { deadlineMs: question.deadlineMs }),
    ...(question.tenant !== undefined && { tenant: question.tenant }),
    ...(question.priority !== undefined && { priority: question.priority }),
    ...(question.stickyKey !== undefined && { stickyKey: question.stickyKey }),
  }
}

function pause(clock: VirtualClock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.at(ms, resolve))
}
