import { describe, expect, it } from 'vitest'

import type { Call, CallContext, Layer, Reply } from './service.ts'
import { createStack } from './stack.ts'

describe('the stack', () => {
  it('calls its layers from the caller down to the socket', async () => {
    const passed: string[] = []
    const named =
      (name: string): Layer =>
      (next) =>
      (call, context) => {
        passed.push(name)
        return next(call, context)
      }
    const reply = {} as Reply
    const stack = createStack({
      transport: async () => {
        passed.push('transport')
        return reply
      },
      resume: named('resume'),
      retry: named('retry'),
      observe: named('observe'),
      dispatch: named('dispatch'),
      hedge: named('hedge'),
      deadline: named('deadline'),
      cache: named('cache'),
      prepare: named('prepare'),
      degrade: named('degrade'),
      experiment: named('experiment'),
    })
    expect(await stack({} as Call, {} as CallContext)).toBe(reply)
    expect(passed).toEqual([
      'observe',
      'deadline',
      'degrade',
      'experiment',
      'prepare',
      'cache',
      'resume',
      'retry',
      'hedge',
      'dispatch',
      'transport',
    ])
  })
})
