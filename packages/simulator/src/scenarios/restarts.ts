import { askAtRandom, askManyAtRandom } from '../callers/arrivals.ts'
import type { World } from '../world.ts'
import { Sum, betweenCallsMs, countText, createWorld, fleet, questions, scaled, shareText } from './scenario.ts'
import type { Scenario } from './scenario.ts'

/** Does something again and again, for ever. */
function every(world: World, ms: number, work: (round: number) => void): void {
  let round = 0
  const again = (): void => {
    world.clock.at(ms, () => {
      work(round++)
      again()
    })
  }
  again()
}

/** Three backends, one killed every 20 s, in turn, in the middle of its streams. */
export const killedStreams: Scenario = {
  title: '3 backends, one killed every 20 s in mid-stream',
  async run(size) {
    const world = createWorld(size.seed, fleet(3, { tokenMs: 200, loadMs: 1_000 }))
    every(world, 20_000, (round) => world.kill(round % 3, 5_000))
    const holdMs = 500 + 20 * 200
    const next = questions(world.random('questions'), { meanTokens: 20, promptMs: 500 }, 1)
    await askManyAtRandom(world, scaled(30_000, size), betweenCallsMs(0.5, 3, holdMs), next)
    const sum = new Sum()
    await sum.add(world)
    const { calls, resumed, violations } = sum.summary
    const doubled = violations.filter(({ invariant }) => invariant === 'I2').length
    const measured = `${shareText(sum.successShare)} of ${countText(calls)} whole, ${countText(resumed)} resumed, ${doubled} with doubled or lost text${sum.codes}`
    return sum.result(
      this.title,
      '≥ 99.99 % whole, 0 doubled or lost',
      measured,
      sum.successShare >= 0.9999 && doubled === 0,
    )
  },
}

/** One backend that restarts for 5 s every minute; callers want the answer whole. */
export const restartEveryMinute: Scenario = {
  title: '1 backend that restarts for 5 s every minute, buffered callers',
  async run(size) {
    const world = createWorld(size.seed, fleet(1, { tokenMs: 100, loadMs: 1_000 }))
    every(world, 60_000, () => world.kill(0, 5_000))
    const holdMs = 300 + 15 * 100
    const next = questions(world.random('questions'), { meanTokens: 15, promptMs: 300 }, 0)
    await askManyAtRandom(world, scaled(20_000, size), betweenCallsMs(0.5, 1, holdMs), next)
    const sum = new Sum()
    await sum.add(world)
    const measured = `${shareText(sum.successShare)} of ${countText(sum.summary.calls)}${sum.codes}`
    return sum.result(this.title, '≥ 99.99 %', measured, sum.successShare >= 0.9999)
  },
}

/** Everything is away for ten seconds, again and again. */
export const allAway: Scenario = {
  title: 'all backends away for 10 s, 3 backends',
  async run(size) {
    const loadMs = 1_000
    const promptMs = 300
    const world = createWorld(size.seed, fleet(3, { tokenMs: 100, loadMs }))
    const next = questions(world.random('questions'), { meanTokens: 15, promptMs }, 0)
    const stop = askAtRandom(world, world.random('arrivals'), () => betweenCallsMs(0.4, 3, promptMs + 1_500), next)
    let slowestMs = 0
    for (let outage = 0; outage < scaled(200, size); outage++) {
      await world.run(60_000)
      world.ollamas.forEach((_, index) => world.kill(index, 10_000))
      await world.run(10_000)
      const backAtMs = world.clock.nowMs
      const tokens = world.tokensMade
      while (world.tokensMade === tokens && world.clock.nowMs < backAtMs + 60_000) await world.run(10)
      slowestMs = Math.max(slowestMs, world.clock.nowMs - backAtMs - loadMs - promptMs)
    }
    stop()
    const sum = new Sum()
    await sum.add(world)
    const measured = `${shareText(sum.successShare)} of ${countText(sum.summary.calls)}${sum.codes}, first token ≤ ${Math.round(slowestMs)} ms`
    const demanded = 'all answered, the first ≤ 1 s (plus load and prompt) after a backend is back'
    return sum.result(this.title, demanded, measured, sum.failed === 0 && slowestMs <= 1_000)
  },
}
