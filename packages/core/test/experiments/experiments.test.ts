import { createSurefoot } from '@surefoot/core'
import { createStandIn, faults } from '@surefoot/testing'
import type { LoggedRequest, StandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { answerTo, answers, failureOf, startPair, until } from '../setup.ts'
import type { Pair } from '../setup.ts'

const LARGE = 'llama3.2'
const SMALL = 'smollm2:135m'
const TONE = { name: 'tone', variants: [{ model: LARGE }, { name: 'small', model: SMALL }] } as const

/** The models that were asked, in order; loads are not questions. */
function asked(ollama: StandIn): unknown[] {
  return ollama.log.filter(({ path }) => path === '/api/chat').map(({ body }) => (body as { model: string }).model)
}

describe('an experiment over sockets', () => {
  it('sends each user to one model, counts right, and says in every answer which it was', async () => {
    await using pair = await startPair({ slots: 8 }, { experiments: [TONE], slots: 8 })
    const { ollama, surefoot } = pair
    const labels = new Map<string, Set<string | undefined>>()
    const perVariant = new Map<string | undefined, number>()
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const stickyKey = `user-${index % 50}`
        const { variant, message, model } = await surefoot.chat(`question ${index}`, { stickyKey })
        expect(message.content).toBe(answerTo(`question ${index}`))
        expect(model).toBe(variant === 'tone/small' ? SMALL : LARGE)
        labels.set(stickyKey, (labels.get(stickyKey) ?? new Set()).add(variant))
        perVariant.set(variant, (perVariant.get(variant) ?? 0) + 1)
      }),
    )
    expect([...labels.values()].every(({ size }) => size === 1)).toBe(true)
    const [report] = await surefoot.experiments()
    expect(report).toMatchObject({ name: 'tone', model: LARGE, goal: 'success', observed: 50, winner: undefined })
    for (const { name, calls, success, sessions, firstTokenMs, answerTokens, shadows } of report!.variants) {
      expect(calls).toBe(perVariant.get(`tone/${name}`))
      expect(success).toMatchObject({ value: 1, count: calls })
      expect(sessions).toBe([...labels.values()].filter((of) => of.has(`tone/${name}`)).length)
      expect(firstTokenMs!.count).toBe(calls)
      expect(answerTokens!.value).toBeGreaterThan(10)
      expect(shadows).toEqual({ begun: 0, whole: 0, cancelled: 0 })
    }
    expect(asked(ollama).filter((model) => model === SMALL)).toHaveLength(perVariant.get('tone/small')!)
  })

  it('streams, takes judgements by the id of the run, and lets other models alone', async () => {
    await using pair = await startPair({}, { experiments: [TONE] })
    const { surefoot } = pair
    const run = surefoot.run('hello', { stickyKey: 'k' })
    for await (const event of run) if (event.type === 'finish') expect(event.answer.variant).toMatch(/^tone\//)
    expect(await surefoot.feedback(run.id, false)).toBe(true)
    expect(await surefoot.feedback(run.id, true)).toBe(true)
    const other = await surefoot.chat('hello', { model: SMALL })
    expect(other.variant).toBeUndefined()
    expect(await surefoot.feedback(other.id, true)).toBe(false)
    expect(await surefoot.feedback('no such run', true)).toBe(false)
    const [report] = await surefoot.experiments()
    expect(report!.variants.map(({ feedback }) => feedback?.value)).toContain(1)
    expect(report!.variants.reduce((sum, { calls }) => sum + calls, 0)).toBe(1)
  })

  it('holds a failure against the variant also where another model rescues the call', async () => {
    const variants = [{ model: 'not-installed' }, { name: 'also-not', model: 'not-installed' }]
    await using pair = await startPair({}, { experiments: [{ ...TONE, variants }], degradeModels: [SMALL] })
    const { surefoot } = pair
    expect(await surefoot.chat('hello')).toMatchObject({ served: 'degraded', reason: 'MODEL_NOT_FOUND', model: SMALL })
    const [report] = await surefoot.experiments()
    expect(report!.variants.find(({ calls }) => calls > 0)).toMatchObject({ calls: 1, success: { value: 0 } })
  })

  it('without experiments nothing is reported and nothing can be judged', async () => {
    await using pair = await startPair()
    const { id, variant } = await pair.surefoot.chat('hello')
    expect(variant).toBeUndefined()
    expect(await pair.surefoot.experiments()).toEqual([])
    expect(await pair.surefoot.feedback(id, true)).toBe(false)
  })
})

describe('copies over sockets', () => {
  const variants = [{ model: LARGE }, { name: 'warm', model: LARGE, options: { temperature: 1 } }]
  const experiments = [{ name: 'tone', variants, shadow: { model: SMALL } }]
  const copies = async (surefoot: Pair['surefoot']) => (await surefoot.experiments())[0]!.variants.at(-1)!

  it('run once the call is done, with what the caller asked, and reach nobody', async () => {
    await using pair = await startPair({}, { experiments, resume: false })
    const { ollama, surefoot } = pair
    const question = {
      messages: [{ role: 'user', content: 'hello' }],
      options: { num_ctx: 8_192, seed: 7 },
      keep_alive: 0,
    }
    const answer = await surefoot.chat(question)
    expect(answer).toMatchObject({ model: LARGE, message: { content: answerTo('hello') } })
    await until(async () => (await copies(surefoot)).shadows.whole === 1)
    // The first one is no call: it loads the model with the context that is named.
    expect(asked(ollama)).toEqual([LARGE, LARGE, SMALL])
    const copy = ollama.log.findLast(({ path }) => path === '/api/chat') as LoggedRequest
    expect(copy.body).toMatchObject({ messages: question.messages, options: { seed: 7 } })
    // Neither is its model loaded anew, nor put out of memory.
    expect(JSON.stringify(copy.body)).not.toMatch(/num_ctx|keep_alive/)
    expect(await copies(surefoot)).toMatchObject({ name: `shadow:${SMALL}`, success: { value: 1 }, calls: 0 })
  })

  it('are cut as soon as a call needs the place', async () => {
    await using pair = await startPair({ tokensPerSecond: 200 }, { experiments, resume: false, slots: 1 })
    const { ollama, surefoot } = pair
    await surefoot.chat('hello')
    await until(async () => (await copies(surefoot)).shadows.begun === 1 && ollama.counts.openRequests === 1)
    expect((await surefoot.chat('mine', { model: SMALL })).message.content).toBe(answerTo('mine'))
    expect(ollama.counts.canceled).toBe(1)
    expect((await copies(surefoot)).shadows).toEqual({ begun: 1, whole: 0, cancelled: 1 })
    expect((await surefoot.backends())[0]).toMatchObject({ breaker: { state: 'closed', failures: 0 } })
  })

  it('that fail are no failure of anybody', async () => {
    await using pair = await startPair({}, { experiments, resume: false })
    const { ollama, surefoot } = pair
    const failures: unknown[] = []
    surefoot.telemetry.on(({ type }) => type === 'attempt-fail' && failures.push(type))
    await ollama.fault(faults.status(500, { every: 2 }))
    await surefoot.chat('hello')
    await until(async () => (await copies(surefoot)).success !== undefined)
    expect(await copies(surefoot)).toMatchObject({ success: { value: 0, count: 1 }, shadows: { begun: 1, whole: 0 } })
    expect(failures).toEqual([])
    expect(ollama.counts.chats).toBe(2)
  })

  it('that crash again and again leave the breaker of their backend closed', async () => {
    await using live = await createStandIn({ answers, models: [{ name: LARGE }] })
    await using spare = await createStandIn({ answers, models: [{ name: SMALL }] })
    await spare.fault(faults.errorLine({ afterTokens: 2 }))
    const backends = [live.url, spare.url]
    const given = { backends, experiments, resume: false, breakerThreshold: 2, logLevel: 'silent' } as const
    await using surefoot = createSurefoot(given, { env: {} })
    for (let call = 1; call <= 4; call++) {
      await surefoot.chat('hello')
      await until(async () => (await copies(surefoot)).success?.count === call)
    }
    expect(await copies(surefoot)).toMatchObject({ success: { value: 0, count: 4 } })
    expect((await surefoot.backends())[1]!.breaker).toMatchObject({ state: 'closed', failures: 0 })
  })

  it('do not keep a Surefoot that closes', async () => {
    await using pair = await startPair({ tokensPerSecond: 20 }, { experiments, resume: false })
    const { ollama, surefoot } = pair
    await surefoot.chat({ messages: [{ role: 'user', content: 'hello' }], options: { num_predict: 2 } })
    await until(async () => ollama.counts.openRequests === 1)
    await surefoot.close()
    await until(() => ollama.counts.openRequests === 0)
    expect((await copies(surefoot)).shadows).toMatchObject({ whole: 0 })
    expect((await failureOf(surefoot.chat('more'))).code).toBe('SHUTTING_DOWN')
  })
})
