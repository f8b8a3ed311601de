import type { ChatAnswer } from './chat.ts'
import type { RunEvent } from './events.ts'
import type { Run } from './surefoot.ts'

/** Events that may wait unread before the source is asked to pause. */
const HIGH_WATER = 256

/** Where the maker of a run puts its events. */
export interface RunSink {
  emit(event: RunEvent): void
  /** Resolves once the reader has caught up; `undefined` when there is no need to wait. */
  ready(): Promise<void> | undefined
}

/**
 * Makes a {@link Run} out of a function that produces its events and its answer. Core and SDK share it, so that both
 * implementations behave alike.
 *
 * - `execute` starts at once. Events are kept until they are read: none is lost between `run()` and the loop.
 * - A reader that falls behind makes the source wait; reading `answer` alone lifts that.
 * - Leaving the loop early stops the run.
 *
 * @param stopped is called with the reason when the reader ends the run.
 */
export function createRun(
  id: string,
  execute: (sink: RunSink) => Promise<ChatAnswer>,
  stopped: (reason: unknown) => void,
): Run {
  const events: RunEvent[] = []
  let outcome: { answer: ChatAnswer } | { error: unknown } | undefined
  let unbounded = false
  let wakeReader: (() => void) | undefined
  let wakeSource: (() => void) | undefined
  let drained: Promise<void> | undefined

  const letSourceGo = (): void => {
    wakeSource?.()
    wakeSource = undefined
    drained = undefined
  }
  const stop = (reason?: unknown): void => {
    if (outcome !== undefined) return
    unbounded = true
    stopped(reason ?? new DOMException('The run was stopped', 'AbortError'))
    letSourceGo()
  }
  const sink: RunSink = {
    emit(event) {
      events.push(event)
      wakeReader?.()
    },
    ready() {
      if (unbounded || events.length < HIGH_WATER) return undefined
      drained ??= new Promise((resolve) => {
        wakeSource = resolve
      })
      return drained
    },
  }

  const answer = execute(sink)
  answer.then(
    (value) => {
      outcome = { answer: value }
      wakeReader?.()
    },
    (error: unknown) => {
      outcome = { error }
      wakeReader?.()
    },
  )

  async function* read(): AsyncGenerator<RunEvent, void> {
    let position = 0
    let whole = false
    try {
      for (;;) {
        while (position < events.length) {
          const event = events[position++] as RunEvent
          yield event
        }
        // Read events are dropped in one go, not one by one: shift() per token would cost a copy each.
        events.length = 0
        position = 0
        letSourceGo()
        if (outcome !== undefined) {
          whole = true
          if ('error' in outcome) throw outcome.error
          return
        }
        await new Promise<void>((resolve) => {
          wakeReader = resolve
        })
        wakeReader = undefined
      }
    } finally {
      if (!whole) stop()
    }
  }

  return {
    id,
    get answer() {
      unbounded = true
      letSourceGo()
      return answer
    },
    stop,
    [Symbol.asyncIterator]: read,
  }
}
