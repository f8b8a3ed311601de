import fc from 'fast-check'
import { expect, test } from 'vitest'

import { isDeeperThan, readJsonBody } from './json-body.ts'

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

test('the depth of any JSON is counted right, brackets and quotes in strings included', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(8), (value, limit) => {
      expect(isDeeperThan(JSON.stringify(value), limit)).toBe(depthOf(value) > limit)
    }),
  )
})

test('a million brackets are refused, not parsed', async () => {
  const request = new Request('http://localhost', { method: 'POST', body: '['.repeat(1_000_000) })
  await expect(readJsonBody(request)).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    message: 'The body is nested deeper than 64 levels.',
  })
})
