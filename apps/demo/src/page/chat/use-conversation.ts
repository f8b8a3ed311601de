import { SurefootError } from '@surefoot/protocol'
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

import { systemPromptOf, teacherOfClass } from '../../shared/teachers.ts'
import type { PageClient } from '../page-client.ts'
import { isRunning, newTurn, turnAfterError, turnAfterEvent, type Turn } from './turn.ts'

/** The conversation on the page. */
export interface Conversation {
  readonly turns: readonly Turn[]
  readonly isAnswering: boolean
  ask(question: string, classNumber: number): void
  stop(): void
}

/** Turns that go along with a new question, so that "and why?" can be answered. */
const REMEMBERED_TURNS = 4

/** What the conversation has to do with the machinery. */
export interface ConversationOptions {
  /** Something is pressed on the break bar. */
  readonly isBrokenOnPurpose: boolean
  /** Called after each question, however it ended. */
  readonly onEnd: () => void
}

/** Asks through the SDK, one question at a time, and keeps what came of each. */
export function useConversation(client: PageClient, { isBrokenOnPurpose, onEnd }: ConversationOptions): Conversation {
  const [turns, setTurns] = useState<readonly Turn[]>([])
  const nextId = useRef(1)
  const running = useRef<AbortController | undefined>(undefined)
  const seen = useRef(turns)
  const isBroken = useRef(isBrokenOnPurpose)
  useLayoutEffect(() => {
    seen.current = turns
    isBroken.current = isBrokenOnPurpose
  }, [turns, isBrokenOnPurpose])

  const stop = useCallback(() => running.current?.abort(), [])
  useEffect(() => stop, [stop])

  const ask = useCallback(
    (question: string, classNumber: number) => {
      if (running.current !== undefined) return
      const controller = new AbortController()
      running.current = controller
      const turn = newTurn(nextId.current++, classNumber, question)
      const messages = messagesOf(seen.current, turn)
      const change = (next: (old: Turn) => Turn): void => {
        const isBrokenNow = isBroken.current
        setTurns((all) =>
          all.map((old) => {
            if (old.id !== turn.id || !isRunning(old)) return old
            const changed = next(old)
            return changed.problem === undefined ? changed : { ...changed, isBrokenOnPurpose: isBrokenNow }
          }),
        )
      }
      setTurns((all) => [...all, turn])
      void follow(client, messages, classNumber, controller.signal, change).finally(() => {
        running.current = undefined
        onEnd()
      })
    },
    [client, onEnd],
  )

  return { turns, isAnswering: turns.some(isRunning), ask, stop }
}

async function follow(
  { surefoot, lastFault }: PageClient,
  messages: readonly { role: string; content: string }[],
  classNumber: number,
  signal: AbortSignal,
  change: (next: (old: Turn) => Turn) => void,
): Promise<void> {
  const startedAtMs = performance.now()
  const sinceStartMs = (): number => performance.now() - startedAtMs
  try {
    const system = systemPromptOf(teacherOfClass(classNumber))
    const run = surefoot.run({ messages, options: { temperature: 0.7 } }, { system, signal })
    for await (const event of run) {
      const atMs = sinceStartMs()
      change((turn) => turnAfterEvent(turn, event, atMs, lastFault()))
    }
    // After `finish` this changes nothing; without it the answer is not whole, however it looks.
    const atMs = sinceStartMs()
    change((turn) => turnAfterError(turn, endedWithoutFinish(), atMs))
  } catch (error) {
    const atMs = sinceStartMs()
    const reason: unknown = signal.aborted ? signal.reason : error
    change((turn) => turnAfterError(turn, reason, atMs))
  }
}

function endedWithoutFinish(): SurefootError {
  return new SurefootError({ code: 'STREAM_INTERRUPTED', message: 'The answer ended before it was whole.' })
}

/** The new question and the whole answers of the model before it; a fallback is not something the teacher said. */
function messagesOf(before: readonly Turn[], turn: Turn): { role: string; content: string }[] {
  const whole = before.filter(
    (old) => old.state === 'whole' && old.served !== 'fallback' && old.classNumber === turn.classNumber,
  )
  return [
    ...whole.slice(-REMEMBERED_TURNS).flatMap((old) => [
      { role: 'user', content: old.question },
      { role: 'assistant', content: old.text },
    ]),
    { role: 'user', content: turn.question },
  ]
}
