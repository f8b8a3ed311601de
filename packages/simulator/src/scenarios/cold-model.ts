import { Sum, countText, createWorld, fleet, scaled } from './scenario.ts'
import type { Scenario } from './scenario.ts'

/** A model that takes four minutes to load, 20 callers at once, half of whom do not wait for it. */
export const coldModel: Scenario = {
  title: 'cold model of 240 s, 20 callers, half of them leave',
  async run(size) {
    const sum = new Sum()
    let [loads, aborted] = [0, 0]
    const rounds = scaled(50, size)
    for (let round = 0; round < rounds; round++) {
      const [ollama] = fleet(1, { loadMs: 240_000, tokenMs: 20 })
      if (ollama === undefined) throw new Error('there is one')
      const models = ollama.models.map((model) => ({ ...model, loaded: false }))
      const world = createWorld(size.seed + round, [{ ...ollama, models }])
      const random = world.random('callers')
      for (let caller = 0; caller < 20; caller++) {
        const leavesAfterMs = caller % 2 === 0 ? random.between(10, 239_000) : undefined
        world.clock.at(random.between(0, 5_000), () => {
          world.ask({ tokens: 20, promptMs: 200, streamed: random.chance(0.5), leavesAfterMs })
        })
      }
      await world.run(300_000)
      loads += world.ollamas[0]?.memory.loads ?? 0
      aborted += world.ollamas[0]?.memory.abortedLoads ?? 0
      await sum.add(world)
    }
    const measured = `${loads} loads in ${rounds} rounds, ${aborted} aborted, ${countText(sum.failed)} who stayed not answered${sum.codes}`
    const holds = loads === rounds && aborted === 0 && sum.failed === 0
    return sum.result(this.title, '1 load a round, 0 aborted, all who stay answered', measured, holds)
  },
}
