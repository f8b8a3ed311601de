import { createVirtualTime } from '@surefoot/testing'
import { expect, it } from 'vitest'

import { ModelContexts } from './model-contexts.ts'
import type { Roster } from './roster.ts'

it('a backend that cannot be reached for a while treats prompts as it did before', () => {
  const health: { last: { version?: string } | undefined } = { last: undefined }
  const roster = { members: [{ backend: { name: 'http://gpu:1' }, health }] } as unknown as Roster
  const contexts = new ModelContexts(roster, createVirtualTime())
  expect([contexts.careOf('http://gpu:1'), contexts.leastCare]).toEqual([undefined, 'refuses'])
  health.last = { version: '0.12.5' }
  expect([contexts.careOf('http://gpu:1'), contexts.leastCare]).toEqual(['cuts', 'cuts'])
  health.last = {}
  expect([contexts.careOf('http://gpu:1'), contexts.leastCare]).toEqual(['cuts', 'cuts'])
  health.last = { version: '0.32.15' }
  expect([contexts.careOf('http://gpu:1'), contexts.leastCare]).toEqual(['refuses', 'refuses'])
})
