import type { ChatRequest } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import { LoadOptions } from '../../load-options.ts'
import type { Call, CallContext, Reply } from '../../service.ts'
import { createPrepare } from './prepare.ts'

const MESSAGES = [{ role: 'user', content: 'What is water?' }]
const REPLY = {} as Reply

/** What goes to the backends when these are asked for one after the other. */
async function sent(...requests: readonly ChatRequest[]): Promise<unknown[]> {
  const bodies: unknown[] = []
  const layer = createPrepare({ loadOptions: new LoadOptions() })
  const service = layer(async ({ body }) => {
    bodies.push(JSON.parse(String(body)))
    return REPLY
  })
  for (const request of requests) {
    const call: Call = { kind: 'chat', model: 'llama3.2', request, buffered: false }
    expect(await service(call, {} as CallContext)).toBe(REPLY)
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
