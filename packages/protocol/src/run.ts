import type { ChatAnswer } from './chat.ts'
import type { RunEvent } from './events.ts'
import type { Run } from './surefoot.ts'

/** Events that may wait unread before the source is asked to pause. */
const HIGH_WATER = 256

/** Whether an id given by a caller may name a run: a UUID, so that nothing else gets into logs by it. */
export function isRunId(value: unknown): value is string {
  return typeof value === 'string' && /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i.test(value)
}

/** Where the maker of a run puts its events. */
export interface RunSink {
  emit(event: RunEvent): void
  /** Resolves once the reader has caught up; `undefined` when there is no need to wait. */
  ready(): Promise<void> | undefined
}

/** One `next()` that waits for an event. */
interface Waiting {
  resolve(result: IteratorResult<RunEvent, void>): void
  reject(error: unknown): void
}

/**
 * Makes a {@link Run} out of a function that produces its events and its answer. Core and SDK share it, so that both
 * implementations behave alike.
 *
 * - `execute` starts at once. Events are kept until they are read: none is lost between `run()` and the loop.
 * - A reader that falls behind makes the source wait; reading `answer` alone lifts that.
 * - Leaving the loop early stops the run, also while a `next()` is pending.
 * - Events are read once; a second loop throws a TypeError, because each event could reach only one of the two.
 * - Whoever uses only the events, only the answer, or neither, causes no unhandled rejection.
 *
 * @param stopped is called with the reason when the reader ends the run; at most once.
 */
export function createRun(
  id: string,
  execute: (sink: RunSink) => Promise<ChatAnswer>,
  stopped: (reason: unknown) => void,
): Run {
  let events: RunEvent[] = []
  let position = 0
  const waiting: Waiting[] = []
  let outcome: { answer: ChatAnswer } | { error: unknown } | undefined
  let reader: 'none' | 'reading' | 'gone' = 'none'
  let halted = false
  let unbounded = false
  let drained: PromiseWithResolvers<void> | undefined

  const letSourceGo = (): void => {
    drained?.resolve()
    drained = undefined
  }
  const stop = (reason?: unknown): void => {
    if (outcome !== undefined || halted) return
    halted = true
    unbounded = true
    stopped(reason ?? new DOMException('The run was stopped', 'AbortError'))
    letSourceGo()
  }

  const takeEvent = (): RunEvent => {
    const event = events[position++] as RunEvent
    if (position === events.length) {
      // Read events are dropped in one go, not one by one: shift() per token would cost a copy each.
      events = []
      position = 0
      letSourceGo()
    }
    return event
  }
  /** Gives the waiting calls what there is, in the order they asked; the failure is thrown once, after all events. */
  const serve = (): void => {
    while (waiting.length > 0) {
      if (reader === 'gone') waiting.shift()?.resolve({ done: true, value: undefined })
      else if (position < events.length) waiting.shift()?.resolve({ done: false, value: takeEvent() })
      else if (outcome === undefined) return
      else {
        reader = 'gone'
        if ('error' in outcome) waiting.shift()?.reject(outcome.error)
      }
    }
  }
  const leave = (): void => {
    reader = 'gone'
    events = []
    position = 0
    stop()
    serve()
  }

  const answer = execute({
    emit(event) {
      if (reader === 'gone') return
      events.push(event)
      serve()
    },
    ready() {
      if (unbounded || events.length - position < HIGH_WATER) return undefined
      drained ??= Promise.withResolvers<void>()
      return drained.promise
    },
  })
  answer.then(
    (value) => {
      outcome = { answer: value }
      serve()
    },
    (error: unknown) => {
      outcome = { error }
      serve()
    },
  )

  return {
    id,
    get answer() {
      unbounded = true
      letSourceGo()
      return answer
    },
    stop,
    // Written out, not as a generator: the return() of a generator waits for a pending next(), which for a queued call
    // can take minutes, and meanwhile the run would go on for a reader that has left.
    [Symbol.asyncIterator]() {
      if (reader !== 'none') throw new TypeError('The events of a run can be read only once')
      reader = 'reading'
      return {
        next: () =>
          new Promise((resolve, reject) => {
            waiting.push({ resolve, reject })
            serve()
          }),
        return: async () => {
          leave()
          return { done: true, value: undefined }
        },
      }
    },
  }
}
