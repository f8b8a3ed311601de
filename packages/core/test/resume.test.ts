import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot, SurefootConfig } from '@surefoot/core'
import type { CallOptions, ChatInput, RunEvent } from '@surefoot/protocol'
import { createStandIn, faults, splitIntoTokens } from '@surefoot/testing'
import type { Fault, PrefillMode, StandIn, StandInOptions } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { read } from './setup.ts'

const TEXT =
  'Water is a clear liquid.\n\nIt falls as rain, fills the seas, and keeps all things alive.\n\n - One: ice.\n - Two: steam.\n'
const TOKENS = splitIntoTokens(TEXT)
const QUESTION = { messages: [{ role: 'user', content: 'What is water?' }] }

interface Fleet extends AsyncDisposable {
  readonly first: StandIn
  readonly second: StandIn
  readonly surefoot: LocalSurefoot
}

interface FleetOptions {
  readonly both?: StandInOptions
  readonly second?: StandInOptions
  readonly config?: SurefootConfig
  /** Without it there is only the first backend. @default true */
  readonly hasSecond?: boolean
  /** Both backends have answered once. @default true */
  readonly isWarm?: boolean
}

/** Two stand-ins that say the same; a call goes to the first one as long as the second is drained. */
async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const { both = {}, second = {}, config = {}, hasSecond = true, isWarm = true } = options
  const parts = new AsyncDisposableStack()
  const said: StandInOptions = { answers: () => TEXT, ...both }
  const fleet = [parts.use(await createStandIn(said)), parts.use(await createStandIn({ ...said, ...second }))] as const
  const backends = (hasSecond ? fleet : [fleet[0]]).map(({ url }) => url)
  const settings = { backends, logLevel: 'silent', retryDelayMs: 1, ...config } as const
  const surefoot = parts.use(createSurefoot(settings, { env: {} }))
  if (hasSecond && isWarm) {
    // Both have the model in memory: who would have to load it first is not the better one to go on.
    for (const other of [fleet[0], fleet[1]]) {
      surefoot.drain(other.url)
      await surefoot.chat('Hello')
      surefoot.undrain(other.url)
    }
  }
  return { first: fleet[0], second: fleet[1], surefoot, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

/** Asks while the first backend has a fault; the second one takes part from the first word on. */
async function ask(fleet: Fleet, fault: Fault, input: ChatInput = QUESTION, options: CallOptions = {}) {
  const { first, second, surefoot } = fleet
  const hasSecond = (await surefoot.backends()).length > 1
  if (hasSecond) surefoot.drain(second.url)
  await first.fault(fault)
  const events: RunEvent[] = []
  let text = ''
  let failure: unknown
  try {
    for await (const event of surefoot.run(input, options)) {
      events.push(event)
      if (event.type !== 'delta') continue
      text += event.text
      if (hasSecond) surefoot.undrain(second.url)
    }
  } catch (error) {
    failure = error
  }
  const resumed = events.filter((event) => event.type === 'resumed')
  const finish = events.find((event) => event.type === 'finish')
  return { events, text, failure, resumed, answer: finish?.answer }
}

/** The half answers that a backend was sent to go on from, as chats or raw prompts; those of the proof left out. */
function halvesSentTo({ log }: StandIn): string[] {
  return log.flatMap(({ body }) => {
    const { messages, prompt, _debug_render_only } = (body ?? {}) as {
      messages?: { role: string; content: string }[]
      prompt?: string
      _debug_render_only?: boolean
    }
    if (!JSON.stringify(body ?? {}).includes('What is water?')) return []
    if (_debug_render_only === true) return []
    if (prompt !== undefined) return [prompt.split('<|im_start|>assistant\n').at(-1) ?? '']
    const last = messages?.at(-1)
    return last?.role === 'assistant' ? [last.content] : []
  })
}

const breaks: Record<string, (afterTokens: number) => Fault> = {
  'a cut': (afterTokens) => faults.cut({ afterTokens, times: 1 }),
  'an error line': (afterTokens) => faults.errorLine({ afterTokens, times: 1 }),
  'an end without done': (afterTokens) => faults.noDone({ afterTokens, times: 1 }),
  'a bad line': (atLine) => faults.garbage({ atLine, times: 1 }),
}

describe('a stream that breaks goes on from its last character', () => {
  for (const [name, breakAt] of Object.entries(breaks)) {
    it(`on another backend, after ${name} at every token`, async () => {
      await using fleet = await startFleet()
      for (let after = 1; after <= TOKENS.length; after++) {
        const seen = await ask(fleet, breakAt(after))
        expect(seen.failure, `after ${after}`).toBeUndefined()
        expect(seen.text, `after ${after}`).toBe(TEXT)
        expect(seen.resumed).toMatchObject([{ atChar: expect.any(Number) as number, attempt: 2 }])
        expect(seen.answer).toMatchObject({
          attempts: 2,
          resumed: 1,
          backend: fleet.second.url,
          message: { content: TEXT },
        })
      }
      const halves = halvesSentTo(fleet.second)
      expect(halves).toHaveLength(TOKENS.length)
      expect(halves.filter((half) => half !== half.trimEnd() || !TEXT.startsWith(half))).toEqual([])
    })
  }

  for (const version of ['0.32.15', '0.24.0'] as const) {
    it(`with a larger context where the half answer does not fit into the one that the prompt had (${version})`, async () => {
      await using fleet = await startFleet({ both: { version, contextLength: 50 } })
      const seen = await ask(fleet, faults.cut({ afterTokens: 28, times: 1 }))
      expect(seen.failure).toBeUndefined()
      expect(seen.text).toBe(TEXT)
      expect(seen.resumed).toHaveLength(1)
      const grown = [fleet.first, fleet.second].flatMap(({ log }) => log.map(({ body }) => body))
      expect(grown).toContainEqual(expect.objectContaining({ options: { num_ctx: 4_096 }, truncate: false }))
      expect(fleet.first.counts.cutPrompts + fleet.second.counts.cutPrompts).toBe(0)
    })
  }

  for (const prefill of ['continue', 'echo', 'new-turn'] as const satisfies PrefillMode[]) {
    it(`whatever its template makes of a half answer: ${prefill}`, async () => {
      await using fleet = await startFleet({ both: { models: [{ name: 'llama3.2', prefill }] } })
      for (let after = 1; after <= TOKENS.length; after += 3) {
        const seen = await ask(fleet, faults.cut({ afterTokens: after, times: 1 }))
        expect(seen.failure, `after ${after}`).toBeUndefined()
        expect(seen.text, `after ${after}`).toBe(TEXT)
      }
      const routes = fleet.second.counts.routes
      expect((routes['/api/generate'] ?? 0) > 1).toBe(prefill === 'new-turn')
    })
  }

  it('on another backend when it falls silent', async () => {
    await using fleet = await startFleet({ config: { timeoutMs: 150 } })
    for (const after of [1, 5, 12]) {
      const seen = await ask(fleet, faults.stall({ afterTokens: after, times: 1 }))
      expect(seen.failure).toBeUndefined()
      expect(seen.text).toBe(TEXT)
    }
  })

  it('on the same backend when there is no other', async () => {
    await using fleet = await startFleet({ hasSecond: false })
    for (let after = 1; after <= TOKENS.length; after += 2) {
      const seen = await ask(fleet, faults.cut({ afterTokens: after, times: 1 }))
      expect(seen.failure, `after ${after}`).toBeUndefined()
      expect(seen.text).toBe(TEXT)
    }
  })

  it('on the same backend after it has restarted', async () => {
    await using fleet = await startFleet({ hasSecond: false, both: { tokensPerSecond: 200 } })
    const run = fleet.surefoot.run(QUESTION)
    let text = ''
    let restarted: Promise<void> | undefined
    for await (const event of run) {
      if (event.type !== 'delta') continue
      text += event.text
      restarted ??= fleet.first.restart({ downMs: 300 })
    }
    await restarted
    expect(text).toBe(TEXT)
    expect(await run.answer).toMatchObject({ resumed: 1 })
  })

  it('again and again, up to five times', async () => {
    await using fleet = await startFleet({ hasSecond: false })
    // Proven first: the proof is not to meet the faults.
    await ask(fleet, faults.cut({ afterTokens: 2, times: 1 }))
    const five = await ask(fleet, faults.cut({ afterTokens: 3, times: 5 }))
    expect(five).toMatchObject({ failure: undefined, text: TEXT, answer: { resumed: 5, attempts: 6 } })
    const six = await ask(fleet, faults.cut({ afterTokens: 3, times: 6 }))
    expect(six.failure).toMatchObject({ code: 'STREAM_INTERRUPTED', partial: six.text, attempts: 6 })
    expect(TEXT.startsWith(six.text)).toBe(true)
    expect(six.resumed).toHaveLength(5)
  })

  it('past attempts that fail before their first word', async () => {
    await using fleet = await startFleet()
    await ask(fleet, faults.cut({ afterTokens: 2, times: 1 }))
    await fleet.second.fault(faults.internal({ times: 2 }))
    const seen = await ask(fleet, faults.cut({ afterTokens: 4, times: 1 }))
    expect(seen.failure).toBeUndefined()
    expect(seen.text).toBe(TEXT)
  })

  it('after the time that the only one asked for which can go on, though another one is free', async () => {
    let asked = 0
    await using fleet = await startFleet({ second: { answers: () => `${asked++} ${TEXT}` } })
    // It is found out who can.
    await ask(fleet, faults.cut({ afterTokens: 5, times: 1 }))
    fleet.surefoot.drain(fleet.second.url)
    const patience = faults.status(429, { times: 1, headers: { 'Retry-After': '0.3' } })
    await fleet.first.fault(faults.cut({ afterTokens: 5, times: 1 }))
    let text = ''
    let brokeAtMs = 0
    let wentOnAtMs = 0
    for await (const event of fleet.surefoot.run(QUESTION)) {
      if (event.type === 'resumed') wentOnAtMs = performance.now()
      if (event.type !== 'delta') continue
      text += event.text
      if (brokeAtMs > 0) continue
      fleet.surefoot.undrain(fleet.second.url)
      brokeAtMs = performance.now()
      await fleet.first.fault(patience)
    }
    expect(text).toBe(TEXT)
    expect(wentOnAtMs - brokeAtMs).toBeGreaterThanOrEqual(290)
  })

  it('as lines of Ollama, with numbers for the whole answer', async () => {
    for (const prefill of ['continue', 'echo', 'new-turn'] as const) {
      await using fleet = await startFleet({ both: { models: [{ name: 'llama3.2', prefill }] } })
      const whole = await read(fleet.surefoot, QUESTION)
      const unbroken = whole.events.find((event) => event.type === 'finish')!.answer
      const { events, answer } = await ask(fleet, faults.errorLine({ afterTokens: 7, times: 1 }))
      const lines = events.flatMap((event) => {
        const { bytes } = event as { bytes?: Uint8Array }
        return bytes === undefined ? [] : [JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>]
      })
      expect(lines.map(({ message }) => (message as { content: string }).content).join('')).toBe(TEXT)
      for (const line of lines) {
        expect(line).toMatchObject({
          model: 'llama3.2',
          created_at: expect.any(String),
          message: { role: 'assistant' },
        })
        expect(Object.keys(line)).not.toContain('response')
      }
      expect(lines.map(({ done }) => done)).toEqual([...Array<boolean>(lines.length - 1).fill(false), true])
      expect(lines.at(-1)).toMatchObject({ eval_count: answer!.eval_count, done_reason: 'stop' })
      expect(answer!.eval_count).toBe(unbroken.eval_count)
      expect(answer!.total_duration).toBeGreaterThan(0)
      if (prefill !== 'new-turn') expect(answer!.prompt_eval_count).toBeGreaterThan(0)
    }
  })

  it('from the beginning when the caller has only white space so far', async () => {
    const text = ` \n ${TEXT}`
    await using fleet = await startFleet({ both: { answers: () => [' ', '\n', ' ', ...TOKENS] } })
    for (const after of [1, 2, 3]) {
      const seen = await ask(fleet, faults.cut({ afterTokens: after, times: 1 }))
      expect(seen.failure, `after ${after}`).toBeUndefined()
      expect(seen.text, `after ${after}`).toBe(text)
      expect(seen.answer).toMatchObject({ attempts: 2, message: { content: text } })
      expect(seen.resumed).toEqual([])
    }
    // Also where nothing can be gone on from.
    const off = await ask(fleet, faults.cut({ afterTokens: 2, times: 1 }), QUESTION, { resume: false })
    expect(off).toMatchObject({ failure: undefined, text })
  })

  it('no further than num_predict allows', async () => {
    await using fleet = await startFleet()
    const input = { ...QUESTION, options: { num_predict: 12 } }
    const seen = await ask(fleet, faults.cut({ afterTokens: 5, times: 1 }), input)
    expect(seen.text).toBe(TOKENS.slice(0, 12).join(''))
    expect(seen.answer).toMatchObject({ done_reason: 'length', eval_count: 12 })
    const atItsEnd = await ask(fleet, faults.cut({ afterTokens: 12, times: 1 }), input)
    expect(atItsEnd.failure).toMatchObject({ code: 'STREAM_INTERRUPTED', partial: atItsEnd.text })
  })
})

describe('where a stream cannot be gone on from, it ends with a typed error and the text so far', () => {
  const cut = faults.cut({ afterTokens: 5, times: 1 })

  async function expectBroken(fleet: Fleet, input: ChatInput = QUESTION, options: CallOptions = {}): Promise<void> {
    const seen = await ask(fleet, cut, input, options)
    expect(seen.failure).toMatchObject({ code: 'STREAM_INTERRUPTED', partial: seen.text })
    expect(seen.text).toBe(TOKENS.slice(0, 5).join(''))
    expect(seen.resumed).toEqual([])
    expect((await fleet.surefoot.backends()).map(({ inFlight }) => inFlight)).not.toContain(1)
  }

  it('when it is told not to', async () => {
    await using fleet = await startFleet()
    await expectBroken(fleet, QUESTION, { resume: false })
    await using off = await startFleet({ config: { resume: false } })
    await expectBroken(off)
    await using guide = await startFleet({ config: { preset: 'guide' } })
    await expectBroken(guide)
  })

  it.each([
    { ...QUESTION, format: 'json' },
    { ...QUESTION, tools: [{ type: 'function', function: { name: 'f', description: '', parameters: {} } }] },
    { messages: [...QUESTION.messages, { role: 'assistant', content: 'Water' }] },
  ])('when it is more than plain text: %#', async (input) => {
    await using fleet = await startFleet({
      both: { answers: () => TOKENS, models: [{ name: 'llama3.2', prefill: 'new-turn' }] },
    })
    await expectBroken(fleet, input)
  })

  it('when the model does not go on as it would have', async () => {
    let asked = 0
    const moody = (): string => `${asked++} ${TEXT}`
    await using fleet = await startFleet({ both: { answers: moody }, hasSecond: false })
    const seen = await ask(fleet, cut)
    expect(seen.failure).toMatchObject({ code: 'STREAM_INTERRUPTED', partial: seen.text })
    const before = fleet.first.counts.chats
    // It is not asked again for what it has failed to do.
    await ask(fleet, cut)
    expect(fleet.first.counts.chats).toBe(before + 1)
  })

  it('when the half answer does not fit into the context, and a larger one may not be chosen', async () => {
    await using fleet = await startFleet({ both: { contextLength: 50 }, config: { maxContext: 0 } })
    const seen = await ask(fleet, faults.cut({ afterTokens: 28, times: 1 }))
    expect(seen.failure).toMatchObject({ code: 'STREAM_INTERRUPTED', partial: seen.text })
    expect(TEXT.startsWith(seen.text)).toBe(true)
    expect(fleet.first.counts.cutPrompts + fleet.second.counts.cutPrompts).toBe(0)
  })

  it('when the other backend has another model by that name', async () => {
    const other = [{ name: 'llama3.2', digest: 'f'.repeat(64) }]
    await using fleet = await startFleet({ second: { models: other }, isWarm: false })
    const seen = await ask(fleet, faults.cut({ afterTokens: 5 }))
    expect(seen.failure).toMatchObject({ code: 'STREAM_INTERRUPTED', partial: seen.text })
    expect(halvesSentTo(fleet.second)).toEqual([])
  })

  it('when the only backend falls silent', async () => {
    await using fleet = await startFleet({ hasSecond: false, config: { timeoutMs: 150 } })
    const seen = await ask(fleet, faults.stall({ afterTokens: 5, times: 1 }))
    expect(seen.failure).toMatchObject({ code: 'RESPONSE_TIMEOUT', partial: seen.text })
    expect(fleet.first.counts.chats).toBe(1)
  })

  it('when a proven backend begins anew all the same: nothing is shown twice', async () => {
    await using fleet = await startFleet({ hasSecond: false })
    await ask(fleet, faults.cut({ afterTokens: 2, times: 1 }))
    fleet.first.set({ models: [{ name: 'llama3.2', prefill: 'new-turn' }] })
    const seen = await ask(fleet, faults.cut({ afterTokens: 14, times: 1 }))
    expect(seen.failure).toMatchObject({ code: 'STREAM_INTERRUPTED', partial: seen.text })
    expect((seen.failure as Error).message).toContain('began it anew')
    expect(seen.text).toBe(TOKENS.slice(0, 14).join('').trimEnd())
    expect(seen.resumed).toEqual([])
  })
})

it('a proof is made when the backend is idle, so that a break costs none', async () => {
  await using fleet = await startFleet({ hasSecond: false })
  const { first, surefoot } = fleet
  await read(surefoot, QUESTION)
  const isProven = (): boolean =>
    first.log.some(({ body }) => JSON.stringify(body ?? {}).includes('_debug_render_only'))
  const deadlineMs = performance.now() + 10_000
  while (!isProven() && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 20))
  while ((await surefoot.backends())[0]!.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  const before = first.counts.chats
  const seen = await ask(fleet, faults.cut({ afterTokens: 5, times: 1 }))
  expect(seen.text).toBe(TEXT)
  expect(first.counts.chats).toBe(before + 2)
  expect((await surefoot.backends())[0]!).toMatchObject({ inFlight: 0, breaker: { state: 'closed' } })
})
