import { huntAll } from '../planted/hunt.ts'
import { PLANTED_FAULTS } from '../planted/planted-faults.ts'
import type { Proof } from './proof.ts'

/** So many may be missed. */
export const MOST_MISSED = 1

/** Mistakes planted into a copy of core, one at a time: the simulator has to notice them. */
export const planted: Proof = {
  title: `${PLANTED_FAULTS.length} planted faults, 50 seeds each`,
  hasOneSize: true,
  async run({ threads }, signal) {
    const missed: string[] = []
    let [caught, seeds] = [0, 0]
    await huntAll(PLANTED_FAULTS, threads, signal, (hunted) => {
      if (hunted.caught === undefined) missed.push(hunted.fault.name)
      else {
        caught++
        seeds = Math.max(seeds, hunted.caught.seed)
      }
    })
    const named = missed.map((name) => `; missed: ${name}`).join('')
    return {
      scenario: this.title,
      demanded: `≥ ${PLANTED_FAULTS.length - MOST_MISSED} caught`,
      measured: `${caught} of ${PLANTED_FAULTS.length} caught, the last with seed ${seeds}${named}`,
      holds: caught >= PLANTED_FAULTS.length - MOST_MISSED,
    }
  },
}
