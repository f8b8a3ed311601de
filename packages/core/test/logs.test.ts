import { inspect } from 'node:util'

import type { SurefootConfig } from '@surefoot/core'
import { faults } from '@surefoot/testing'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'

import { failureOf, read, startPair } from './setup.ts'
import type { Pair } from './setup.ts'

interface Line {
  readonly level: number
  readonly msg: string
  readonly event?: string
}

const INFO = 30
const WARN = 40
const ERROR = 50

const question = 'QUESTION-CANARY what is water?'
const reply = 'ANSWER-CANARY water is wet, and there is more to say.'

async function startLogged(config: SurefootConfig = {}): Promise<{ readonly pair: Pair; readonly lines: Line[] }> {
  const lines: Line[] = []
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line) as Line) })
  const pair = await startPair({ answers: { '*': reply } }, { retryDelayMs: 1, ...config }, { logger })
  return { pair, lines }
}

describe('log', () => {
  it("has the guide's lines of a call", async () => {
    const { pair, lines } = await startLogged()
    await pair.surefoot.chat('12345')
    await pair[Symbol.asyncDispose]()
    expect(lines.map(({ level, msg }) => ({ level, msg }))).toEqual([
      { level: INFO, msg: `OllamaClient initialized: ${pair.ollama.url}, model: llama3.2` },
      { level: INFO, msg: 'Generating response for prompt (length: 5)' },
      { level: INFO, msg: expect.stringMatching(/^Response generated successfully in \d+\.\d\ds$/) },
    ])
  })

  it("has the guide's lines of a breaker that opens and recovers", async () => {
    const { pair, lines } = await startLogged({ maxRetries: 0, promptRetry: false, breakerOpenMs: 1 })
    await pair.ollama.fault(faults.internal({ times: 5 }))
    for (let call = 0; call < 5; call++) await failureOf(pair.surefoot.chat('hi'))
    await pair.surefoot.chat('hi')
    await pair[Symbol.asyncDispose]()
    const told = lines.map(({ level, msg }) => `${level} ${msg}`)
    expect(told).toContain(`${ERROR} Circuit breaker: Opening circuit after 5 failures`)
    expect(told).toContain(`${INFO} Circuit breaker: Attempting recovery (half-open state)`)
    expect(told).toContain(`${INFO} Circuit breaker: Recovery successful (closed state)`)
    expect(lines.filter(({ event }) => event?.startsWith('breaker')).length).toBe(3)
  })

  it('does not tell of failures in a row when a probe fails, nor of a retry that has to wait for a backend', async () => {
    const { pair, lines } = await startLogged({ breakerThreshold: 2, breakerOpenMs: 50 })
    await pair.ollama.fault(faults.refuse())
    await failureOf(pair.surefoot.chat('hi', { deadlineMs: 400 }))
    await pair[Symbol.asyncDispose]()
    const told = lines.map(({ level, msg }) => `${level} ${msg}`)
    const opened = told.filter((line) => line.includes('Opening circuit'))
    expect(opened).toEqual([`${ERROR} Circuit breaker: Opening circuit after 2 failures`])
    expect(told).toContain(`${WARN} Circuit breaker: Recovery failed, still open (CANNOT_CONNECT)`)
    const failed = told.filter((line) => line.includes('failed: Cannot connect'))
    expect(failed[0]).toContain('; trying again in')
    expect(failed[1]).toContain('; no backend may be asked now')
  })

  it('has a line for a stream that breaks, once', async () => {
    for (const buffered of [true, false]) {
      const { pair, lines } = await startLogged({ maxRetries: 0, promptRetry: false, resume: false })
      await pair.ollama.fault(faults.cut({ afterTokens: 2 }))
      await failureOf(pair.surefoot.run('hi', { buffered }).answer)
      await pair[Symbol.asyncDispose]()
      expect(lines.slice(2).map(({ level, event }) => [level, event])).toEqual([
        [WARN, 'attempt-fail'],
        [ERROR, 'call-end'],
      ])
    }
  })

  it('has one line for each failed attempt and one for the call', async () => {
    const { pair, lines } = await startLogged({ maxRetries: 1, promptRetry: false })
    await pair.ollama.fault(faults.internal())
    await failureOf(pair.surefoot.chat('hi'))
    await pair[Symbol.asyncDispose]()
    expect(lines.slice(2).map(({ level, event }) => [level, event])).toEqual([
      [WARN, 'attempt-fail'],
      [WARN, 'attempt-fail'],
      [ERROR, 'call-end'],
    ])
  })

  it('never holds a word of a prompt or an answer, and no error does, whatever happens', async () => {
    const { pair, lines } = await startLogged({ timeoutMs: 150, breakerThreshold: 1_000, resume: false })
    const { ollama, surefoot } = pair
    const errors: unknown[] = []
    const body = { messages: [{ role: 'user', content: question }] }
    const strikes = [
      undefined,
      faults.internal(),
      faults.errorLine({ afterTokens: 2 }),
      faults.cut({ afterTokens: 2 }),
      faults.noDone({ afterTokens: 2 }),
      faults.garbage({ atLine: 2 }),
      faults.garbage(),
      faults.notHttp(),
      faults.stall({ afterTokens: 2 }),
      faults.resetBeforeHeaders(),
      faults.tooMany(0),
      faults.badGateway(),
    ]
    for (const fault of strikes) {
      await ollama.fault(fault === undefined ? [] : { ...fault, times: 4 })
      const seen = await read(surefoot, body, { system: 'SYSTEM-CANARY' })
      // What the reader has received anyway is in `partial`, and nowhere else.
      if (seen.failure !== undefined) errors.push({ ...(seen.failure as object), partial: undefined })
      await surefoot.chat(question, { system: 'SYSTEM-CANARY' }).catch((error: unknown) => errors.push(error))
    }
    await ollama.fault(faults.hang())
    errors.push(await failureOf(surefoot.chat(question, { deadlineMs: 20 })))
    await ollama.fault()
    errors.push(await failureOf(surefoot.chat({ messages: [{ role: 'user', content: 7 as unknown as string }] })))
    errors.push(
      await failureOf(surefoot.chat({ messages: [{ role: question, content: question }], stream: 7 as never })),
    )
    errors.push(await failureOf(surefoot.chat(question, { temperature: 9 })))
    const run = surefoot.run(question)
    run.stop()
    await run.answer.catch((error: unknown) => errors.push(error))
    await pair[Symbol.asyncDispose]()
    expect(errors.length).toBeGreaterThan(10)
    expect(lines.length).toBeGreaterThan(50)
    expect(JSON.stringify(lines)).not.toContain('CANARY')
    expect(inspect(errors, { depth: 10 })).not.toContain('CANARY')
    expect(JSON.stringify(errors)).not.toContain('CANARY')
  })

  it('a listener of ours that throws is logged and harms no call', async () => {
    const { pair, lines } = await startLogged()
    pair.surefoot.telemetry.on(() => {
      throw new Error('the listener is broken')
    })
    expect((await pair.surefoot.chat('hi')).message.content).toBe(reply)
    await pair[Symbol.asyncDispose]()
    expect(lines.some(({ level, msg }) => level === ERROR && msg === 'A telemetry listener failed')).toBe(true)
  })
})
