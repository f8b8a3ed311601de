import { SurefootError, type ChatMessage } from '@surefoot/protocol'
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

import { systemPromptOf, teacherOfClass } from '../../shared/teachers.ts'
import { nowMs } from '../clock.ts'
import type { PageClient } from '../page-client.ts'
import { isRunning, newTurn, turnAfterError, turnAfterEvent, type Turn } from './turn.ts'

/** The conversation on the page. */
export interface Conversation {
  readonly turns: readonly Turn[]
  readonly isAnswering: boolean
  ask(question: string, classNumber: number, how?: AskOptions): void
  stop(): void
}

/** How a question is asked, where it is not just as usual. */
export interface AskOptions {
  /** Without what was said before. */
  readonly isAlone?: boolean
  /** A model is to answer, whatever is remembered. */
  readonly isFresh?: boolean
}

/** Turns that go along with a new question, so that "and why?" can be answered. */
const REMEMBERED_TURNS = 4

/** What the conversation has to do with the machinery. */
export interface ConversationOptions {
  /** Something is pressed on the break bar. */
  readonly isBrokenOnPurpose: boolean
  /** Repeated questions may be answered from the cache. */
  readonly mayRemember: boolean
  /** Called after each question, however it ended. */
  readonly onEnd: () => void
}

/** Asks through the SDK, one question at a time, and keeps what came of each. */
export function useConversation(client: PageClient, options: ConversationOptions): Conversation {
  const { isBrokenOnPurpose, mayRemember, onEnd } = options
  const [turns, setTurns] = useState<readonly Turn[]>([])
  const nextId = useRef(1)
  const running = useRef<AbortController | undefined>(undefined)
  const seen = useRef(turns)
  const isBroken = useRef(isBrokenOnPurpose)
  const mayCache = useRef(mayRemember)
  useLayoutEffect(() => {
    seen.current = turns
    isBroken.current = isBrokenOnPurpose
    mayCache.current = mayRemember
  }, [turns, isBrokenOnPurpose, mayRemember])

  const stop = useCallback(() => running.current?.abort(), [])
  useEffect(() => stop, [stop])

  const ask = useCallback(
    (question: string, classNumber: number, { isAlone = false, isFresh = false }: AskOptions = {}) => {
      if (running.current !== undefined) return
      const controller = new AbortController()
      running.current = controller
      const before = isAlone || standsAlone(question, classNumber) ? [] : rememberedTurns(seen.current, classNumber)
      const id = nextId.current++
      const turn = newTurn({ id, classNumber, question, askedAtMs: nowMs(), remembered: before.length })
      const messages = [...before.flatMap(turnToMessages), { role: 'user', content: question }]
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
      // Not `false`: for when no model can answer an answer of its own is to be kept all the same.
      const cache = mayCache.current && !isFresh ? true : undefined
      const call = { cache, signal: controller.signal }
      void follow(client, messages, classNumber, call, change).finally(() => {
        running.current = undefined
        onEnd()
      })
    },
    [client, onEnd],
  )

  return { turns, isAnswering: turns.some(isRunning), ask, stop }
}

async function follow(
  { surefoot, lastFault, visitor }: PageClient,
  messages: readonly ChatMessage[],
  classNumber: number,
  call: { readonly cache: boolean | undefined; readonly signal: AbortSignal },
  change: (next: (old: Turn) => Turn) => void,
): Promise<void> {
  const { signal } = call
  const startedAtMs = performance.now()
  const sinceStartMs = (): number => performance.now() - startedAtMs
  try {
    const system = systemPromptOf(teacherOfClass(classNumber))
    const run = surefoot.run({ messages, options: { temperature: 0.7 } }, { ...call, system, stickyKey: visitor })
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

/** A suggested question means the same whatever was said before; asked alone it can be known already. */
function standsAlone(question: string, classNumber: number): boolean {
  return teacherOfClass(classNumber).questions.includes(question)
}

/** The whole answers before a new question; a fallback is not something the teacher said. */
function rememberedTurns(before: readonly Turn[], classNumber: number): Turn[] {
  return before
    .filter((old) => old.state === 'whole' && old.served !== 'fallback' && old.classNumber === classNumber)
    .slice(-REMEMBERED_TURNS)
}

function turnToMessages({ question, text }: Turn): ChatMessage[] {
  return [
    { role: 'user', content: question },
    { role: 'assistant', content: text },
  ]
}
