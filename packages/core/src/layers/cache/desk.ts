import type { AnswerCache } from '../../answer-store/answer-cache.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { BetterModelBack } from '../../outcome/better-model.ts'
import { abortable } from '../../runtime/abortable.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Call, CallContext, Reply, Service } from '../../service.ts'
import type { Joiner } from './joiner.ts'
import { SharedRun } from './shared-run.ts'

/** A question, and who asks it. */
interface Asked {
  /** As the kept answers go by. */
  readonly key: string
  /** As the runs go by; `undefined` for one that nobody else may join. */
  readonly runKey: string | undefined
  readonly call: Call
  readonly context: CallContext
}

/** A place in a run. */
interface Seat {
  readonly run: SharedRun
  readonly joiner: Joiner
  readonly isFirst: boolean
  /** What it wants was known when the run began. */
  readonly isFounder: boolean
}

/** It has another way to be answered, and waited for a slot long enough. */
const OUT_OF_PATIENCE = new Error('out of patience')

/** Where questions come in: it knows what is kept, and which runs can be joined. */
export class Desk {
  readonly #next: Service
  readonly #answers: AnswerCache
  readonly #runtime: Pick<Runtime, 'clock' | 'timers'>
  readonly #runs = new Map<string, SharedRun>()

  constructor(next: Service, answers: AnswerCache, runtime: Pick<Runtime, 'clock' | 'timers'>) {
    this.#next = next
    this.#answers = answers
    this.#runtime = runtime
  }

  async ask(key: string, call: Call, context: CallContext): Promise<Reply> {
    const runKey = runKeyOf(key, call, context)
    const asked: Asked = { key, runKey, call, context }
    context.signal.throwIfAborted()
    let kept = this.#fromMemory(asked)
    // Nobody is kept waiting for that while the question is being answered.
    const mayBeElsewhere = kept === undefined && this.#answers.hasSecond && !this.#runs.has(runKey)
    if (mayBeElsewhere) kept = (await this.#fromElsewhere(asked)) ?? this.#fromMemory(asked)
    if (kept !== undefined) return kept
    // Whoever left just now would not be heard any more.
    context.signal.throwIfAborted()
    let seat = this.#sit(asked, this.#runs.get(runKey))
    if (seat.isFirst) seat.run.begin(this.#next)
    this.#answers.tell(context.id, { result: seat.isFirst ? 'miss' : 'joined' })
    for (;;) {
      const { run, joiner } = seat
      try {
        await this.#begun(seat, context)
        const { backend, how } = run.reply as Reply
        return { backend, how, body: joiner }
      } catch (failure) {
        if (context.signal.aborted || !mayAskAgain(seat, failure)) throw failure
        joiner.leave(failure)
        const meanwhile = this.#answers.fresh(key, call.model)
        if (meanwhile !== undefined) return meanwhile
        seat = this.#sitAgain(asked, seat, failure)
      }
    }
  }

  #fromMemory({ key, call, context }: Asked): Reply | undefined {
    const reply = this.#answers.fresh(key, call.model)
    if (reply !== undefined) this.#answers.tell(context.id, { result: 'hit', where: 'memory' })
    return reply
  }

  async #fromElsewhere({ key, call, context }: Asked): Promise<Reply | undefined> {
    const reply = await abortable(this.#answers.freshElsewhere(key, call.model), context.signal)
    if (reply !== undefined) this.#answers.tell(context.id, { result: 'hit', where: 'redis' })
    return reply
  }

  /** Waits for the commit point, but for a slot no longer than this caller's own patience allows. */
  async #begun({ run, joiner }: Seat, { patience }: CallContext): Promise<void> {
    const untilMs = patience?.untilMs ?? Number.POSITIVE_INFINITY
    if (untilMs === Number.POSITIVE_INFINITY) return await joiner.begun
    const timer = this.#runtime.timers.set(untilMs - this.#runtime.clock.monotonicMs(), () => {
      // When its most patient one leaves, and why, the queue knows.
      if (!run.isAttempted && untilMs < run.patientUntilMs) joiner.leave(OUT_OF_PATIENCE)
    })
    try {
      await joiner.begun
    } finally {
      timer.cancel()
    }
  }

  #sitAgain(asked: Asked, before: Seat, failure: unknown): Seat {
    const seat = this.#nextSeat(asked, before, failure)
    // All who were let down together are in it when it begins: the queue judges it by the most generous of them.
    if (seat.isFirst) queueMicrotask(() => seat.run.begin(this.#next))
    return seat
  }

  #nextSeat(asked: Asked, { joiner }: Seat, failure: unknown): Seat {
    // Its own patience tells it what to do, and is nobody else's.
    if (failure === OUT_OF_PATIENCE) return this.#sit({ ...asked, runKey: undefined }, undefined)
    const running = this.#runs.get(asked.runKey as string)
    // Whoever was let down by a stream does not lean on another one.
    const mayJoin = !joiner.isUntouched || running?.buffered === true
    return this.#sit(asked, mayJoin ? running : undefined)
  }

  #sit({ key, runKey, call, context }: Asked, running: SharedRun | undefined): Seat {
    const run = running ?? new SharedRun(call, context, (over) => this.#forget(runKey, over))
    const isFirst = running === undefined
    if (isFirst && runKey !== undefined) this.#runs.set(runKey, run)
    const isFounder = !run.hasBegun
    const joiner = run.join(call, context)
    context.defer((end) => {
      if (end.kind === 'answered' && joiner.hasAll) {
        // One of them is enough.
        run.isKept ||= this.#answers.keep(key, run.call, end.answer)
        this.#forget(runKey, run)
      }
      joiner.leave(undefined)
    })
    return { run, joiner, isFirst, isFounder }
  }

  #forget(runKey: string | undefined, run: SharedRun): void {
    if (runKey !== undefined && this.#runs.get(runKey) === run) this.#runs.delete(runKey)
  }
}

/**
 * Only those who would be treated alike share a run: all that counts for a run and not for its answer. Who asks again as
 * the context was too small does not want the answer that was made with it.
 */
function runKeyOf(key: string, { resume, request }: Call, { patience, reason }: CallContext): string {
  const goesOn = resume === undefined ? '' : String(resume)
  const elsewhere = patience === undefined ? '' : `or ${patience.ready?.insteadOf.join(' ') ?? 'next'}`
  const context = reason === 'CONTEXT_OVERFLOW' ? String(request.options?.['num_ctx']) : ''
  return `${key} ${goesOn} ${context} ${elsewhere}`
}

/**
 * Whether a failure of the run is none of this caller's: the run was turned away by our own queue for reasons of those who
 * founded it (their deadlines, how long they had waited), or it broke for those who read along. What an attempt failed by is
 * the same for all: what it cost is not spent once more for each of them. So is a better model that is back.
 */
function mayAskAgain({ joiner, isFounder }: Seat, failure: unknown): boolean {
  const isForAll = failure instanceof AttemptFailure || failure instanceof BetterModelBack
  return failure === OUT_OF_PATIENCE || joiner.isUntouched || (!isFounder && !isForAll)
}
