import type { ChatRequest } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import { LoadOptions } from '../../load-options.ts'
import type { Call, CallContext, Reply } from '../../service.ts'
import { createPrepare } from './prepare.ts'

const MESSAGES = [{ role: 'user', content: 'What is water?' }]
const REPLY = {} as Reply
/** Backends of which nothing is known but that they refuse a prompt when asked to. */
const contexts = {
  largest: async () => undefined,
  loaded: async () => undefined,
  careOf: () => 'refuses' as const,
  findCareOf: async () => 'refuses' as const,
  leastCare: 'refuses' as const,
  digestOf: () => 'b27a29348d5d',
}
const CONTEXT = { defer: () => {} } as unknown as CallContext
const GUARDED = { contextGuard: true, maxContext: 16_384 }
const UNGUARDED = { contextGuard: false, maxContext: 16_384 }

/** What goes to the backends when these are asked for one after the other. */
async function sent(...requests: readonly ChatRequest[]): Promise<unknown[]> {
  return await sentWith(UNGUARDED, ...requests)
}

async function sentWith(options: typeof GUARDED, ...requests: readonly ChatRequest[]): Promise<unknown[]> {
  const bodies: unknown[] = []
  const layer = createPrepare(options, { loadOptions: new LoadOptions({ monotonicMs: () => 0 }), contexts })
  const service = layer(async ({ body }) => {
    bodies.push(JSON.parse(String(body)))
    return REPLY
  })
  for (const request of requests) {
    const call: Call = { kind: 'chat', model: 'llama3.2', request, buffered: false }
    expect(await service(call, CONTEXT)).toBe(REPLY)
  }
  return bodies
}

describe('what a backend is sent', () => {
  it('is the request as it is', async () => {
    const request = {
      model: 'llama3.2',
      messages: MESSAGES,
      options: { seed: 0 },
      format: 'json',
      later: { deep: [1] },
    }
    expect(await sent(request)).toEqual([request])
  })

  it('asks to be refused rather than cut, unless its caller has said which', async () => {
    const asked = { model: 'llama3.2', messages: MESSAGES }
    for (const truncate of [undefined, null, false]) {
      expect(await sentWith(GUARDED, { ...asked, truncate })).toEqual([{ ...asked, truncate: false }])
    }
    expect(await sentWith(GUARDED, { ...asked, truncate: true })).toEqual([{ ...asked, truncate: true }])
    // Newer versions of Ollama load the model anew for it.
    expect(JSON.stringify(await sentWith(GUARDED, asked))).not.toContain('shift')
  })

  it('is printed anew when its model is loaded with other options by then', async () => {
    const loadOptions = new LoadOptions({ monotonicMs: () => 0 })
    let call: Call | undefined
    const service = createPrepare(GUARDED, { loadOptions, contexts })(async (given) => {
      call = given
      return REPLY
    })
    await service({ kind: 'chat', model: 'llama3.2', request: { messages: MESSAGES }, buffered: false }, CONTEXT)
    const first = call?.latest?.()
    expect(first?.body).toBe(call?.body)
    expect(call?.latest?.().body).toBe(first?.body)
    loadOptions.grow('llama3.2', 8_192)
    expect(JSON.parse(String(call?.latest?.().body))).toMatchObject({ options: { num_ctx: 8_192 } })
    expect(call?.latest?.().request.options).toEqual({ num_ctx: 8_192 })
    expect(call?.digest).toBe('b27a29348d5d')
  })

  it('has one set of load options for all calls of a model', async () => {
    const [first, second] = await sent(
      { messages: MESSAGES, options: { num_ctx: 8192, seed: 1 } },
      { messages: MESSAGES, options: { num_ctx: 2048, seed: 2 } },
    )
    expect(first).toMatchObject({ options: { num_ctx: 8192, seed: 1 } })
    expect(second).toMatchObject({ options: { num_ctx: 8192, seed: 2 } })
  })
})

describe('what JSON cannot hold is refused', () => {
  const circular: Record<string, unknown> = {}
  circular['self'] = circular

  it.each([{ format: circular }, { options: { seed: 1n } }])('case %#', async (wrong) => {
    await expect(sent({ messages: MESSAGES, ...wrong })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: 'The request holds something that cannot be written as JSON.',
    })
  })
})
