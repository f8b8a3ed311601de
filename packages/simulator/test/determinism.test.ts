import { describe, expect, it } from 'vitest'

import { runChaos } from '../src/chaos/chaos-world.ts'

const HOURS = 0.2

describe('one seed', () => {
  it('gives one hash, ten times out of ten', async () => {
    const hashes = new Set<string>()
    for (let round = 0; round < 10; round++) hashes.add((await runChaos(3, HOURS)).hash)
    expect(hashes.size).toBe(1)
  })

  it('gives the same whether or not it is watched, and what is watched is told in order', async () => {
    const times: number[] = []
    const watched = await runChaos(4, HOURS, (atMs) => times.push(atMs))
    expect((await runChaos(4, HOURS)).hash).toBe(watched.hash)
    expect(times.length).toBeGreaterThan(100)
    expect(times.toSorted((a, b) => a - b)).toEqual(times)
  })

  it('is another world than any other seed', async () => {
    const first = await runChaos(5, HOURS)
    expect((await runChaos(6, HOURS)).hash).not.toBe(first.hash)
  })
})
