import { askInTurns, askManyAtRandom } from '../callers/arrivals.ts'
import { Sum, betweenCallsMs, countText, createWorld, fleet, questions, scaled, shareText } from './scenario.ts'
import type { Scenario } from './scenario.ts'

/** One backend whose port is closed for every second connection, by chance. */
export const coinFlip: Scenario = {
  title: '1 backend that refuses on the flip of a coin',
  async run(size) {
    const world = createWorld(size.seed, fleet(1, { tokenMs: 50 }))
    for (const ollama of world.ollamas) ollama.faults = [{ fault: { kind: 'refuse' }, probability: 0.5 }]
    const random = world.random('questions')
    const next = questions(random, { meanTokens: 8, promptMs: 200 }, 0.5)
    await askInTurns(world, scaled(20_000, size), 2, () => random.exponential(500), next)
    const sum = new Sum()
    await sum.add(world)
    const { calls, attempts } = sum.summary
    const measured = `${shareText(sum.successShare)} of ${countText(calls)}${sum.codes}, ${(attempts / calls).toFixed(2)} attempts a call`
    return sum.result(this.title, '≥ 99.9 %', measured, sum.successShare >= 0.999)
  },
}

/** One backend that cuts three of ten streams half-way. */
export const cutsHalfWay: Scenario = {
  title: '1 backend that cuts 30 % of its streams half-way',
  async run(size) {
    const world = createWorld(size.seed, fleet(1, { tokenMs: 50 }))
    for (const ollama of world.ollamas) {
      ollama.faults = [{ fault: { kind: 'break', atShare: 0.5, how: 'cut' }, probability: 0.3 }]
    }
    const random = world.random('questions')
    const next = questions(random, { meanTokens: 20, promptMs: 200 }, 1)
    await askInTurns(world, scaled(20_000, size), 2, () => random.exponential(500), next)
    const sum = new Sum()
    await sum.add(world)
    const { calls, resumed } = sum.summary
    const measured = `${shareText(sum.successShare)} of ${countText(calls)}${sum.codes}, ${countText(resumed)} resumed`
    return sum.result(this.title, '≥ 99.9 %, text exact', measured, sum.successShare >= 0.999)
  },
}

/** A black hole: it fails everything within 5 ms, which makes it look free and fast. */
export const blackHole: Scenario = {
  title: '1 of 3 backends fails everything within 5 ms',
  async run(size) {
    const world = createWorld(size.seed, fleet(3, { tokenMs: 100 }))
    const hole = world.ollamas[1]
    if (hole === undefined) throw new Error('there are three')
    hole.faults = [
      { fault: { kind: 'status', status: 500, text: 'internal server error', afterMs: 5 }, probability: 1 },
    ]
    const next = questions(world.random('questions'), { meanTokens: 10, promptMs: 300 }, 0.5)
    let hits = 0
    world.onAttempt((index) => {
      if (index === 1) hits++
    })
    await askManyAtRandom(world, scaled(20_000, size), betweenCallsMs(0.4, 2, 1_300), next)
    const periods = Math.floor(world.clock.nowMs / world.config.breakerOpenMs)
    const sum = new Sum()
    await sum.add(world)
    const measured = `${hits} attempts in ${periods} probe periods, ${shareText(sum.successShare)} of ${countText(sum.summary.calls)} answered${sum.codes}`
    const demanded = '≤ 5 attempts, then 1 a probe period of 60 s'
    return sum.result(this.title, demanded, measured, hits <= 5 + periods && sum.failed === 0)
  },
}

/** One of three takes every request and never answers; its health says all is well. */
export const oneHangs: Scenario = {
  title: '1 of 3 backends hangs, its health answers',
  async run(size) {
    const sum = new Sum()
    let most = 0
    for (let round = 0; round < scaled(20, size); round++) {
      const world = createWorld(size.seed + round, fleet(3, { tokenMs: 100 }))
      const next = questions(world.random('questions'), { meanTokens: 10, promptMs: 300 }, 0.5)
      const hanging = world.ollamas[2]
      world.clock.at(60_000, () => {
        if (hanging !== undefined) hanging.faults = [{ fault: { kind: 'hang' }, probability: 1 }]
      })
      let waited = 0
      world.onAttempt((index) => {
        if (index === 2 && hanging !== undefined && hanging.faults.length > 0) waited++
      })
      await askManyAtRandom(world, 1_000, betweenCallsMs(0.3, 3, 1_300), next)
      most = Math.max(most, waited)
      await sum.add(world)
    }
    const measured = `${shareText(sum.successShare)} of ${countText(sum.summary.calls)}${sum.codes}, at most ${most} calls waited for it`
    return sum.result(this.title, '≥ 99.9 %, ≤ 5 calls wait for it', measured, sum.successShare >= 0.999 && most <= 5)
  },
}

/** Of two, one goes on saying that it is well and makes no token any more. */
export const wedged: Scenario = {
  title: '1 of 2 backends is wedged: health 200, no token',
  async run(size) {
    const sum = new Sum()
    let lastAtMs = 0
    let afterwards = 0
    for (let round = 0; round < scaled(20, size); round++) {
      const world = createWorld(size.seed + round, fleet(2, { tokenMs: 100 }))
      const next = questions(world.random('questions'), { meanTokens: 10, promptMs: 300 }, 0.5)
      const wedgeAtMs = 120_000
      let regularAtMs = wedgeAtMs
      let outAtMs: number | undefined
      world.clock.at(wedgeAtMs, () => world.ollamas[0]?.wedge())
      world.surefoot.telemetry.on((event) => {
        if (event.type === 'breaker-open' && world.clock.nowMs > wedgeAtMs) outAtMs ??= world.clock.nowMs
      })
      world.onAttempt((index) => {
        if (index !== 0 || world.clock.nowMs < wedgeAtMs) return
        regularAtMs = outAtMs === undefined ? world.clock.nowMs : regularAtMs
        if (world.clock.nowMs > wedgeAtMs + 90_000) afterwards++
      })
      await askManyAtRandom(world, 1_000, betweenCallsMs(0.3, 2, 1_300), next)
      lastAtMs = Math.max(lastAtMs, regularAtMs - wedgeAtMs)
      await sum.add(world)
    }
    const measured = `out after ${Math.round(lastAtMs / 1_000)} s, ${afterwards} attempts later than 90 s; ${shareText(sum.successShare)} of ${countText(sum.summary.calls)}${sum.codes}`
    const holds = lastAtMs <= 90_000 && sum.successShare >= 0.999
    return sum.result(this.title, 'out within 90 s, ≥ 99.9 %', measured, holds)
  },
}
