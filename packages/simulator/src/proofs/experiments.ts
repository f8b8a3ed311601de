import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { countText } from '../scenarios/scenario.ts'
import type { Proof } from './proof.ts'

const ROOT = join(import.meta.dirname, '../../../..')
/** Beside the tests of core, as its statistics are none of its public names. */
const MAIN = join(ROOT, 'packages/core/test/experiments/simulate-main.ts')
const EXPERIMENTS = 2_000
const SESSIONS = 10_000
const MOST_FALSE = 0.05
const LEAST_FOUND = 0.9

/** What one process prints. */
interface Simulated {
  readonly name: string
  readonly falseWinners: number
  readonly found: number
  readonly medianSessions?: number
}

/** Experiments whose truth is known, each looked at after every session: how often the test declares a wrong winner. */
export const experiments: Proof = {
  title: `A/B tests of ${countText(SESSIONS)} sessions, looked at after each`,
  async run({ scale, seed, threads }, signal) {
    const size = Math.max(1, Math.round(EXPERIMENTS * scale))
    const results: Simulated[] = []
    let next = 0
    const lane = async (): Promise<void> => {
      for (let index = next++; ; index = next++) {
        const simulated = await play(index, size, seed, signal)
        if (simulated === undefined) return
        results[index] = simulated
      }
    }
    await Promise.all(Array.from({ length: threads }, lane))
    const share = (count: number): string => `${((100 * count) / size).toFixed(1)} %`
    const measured = results.map(({ name, falseWinners, found, medianSessions }) => {
      const half = medianSessions === undefined ? '' : `, half of them within ${countText(medianSessions)}`
      return `${name}: ${share(falseWinners)} false${found === 0 ? '' : `, ${share(found)} found${half}`}`
    })
    const isFound = ({ name, found }: Simulated): boolean => !name.startsWith('20 %') || found >= LEAST_FOUND * size
    return {
      scenario: this.title,
      demanded: '≤ 5 % false winners, 20 % better found in ≥ 90 %',
      measured: `${countText(size)} of each kind; ${measured.join('; ')}`,
      holds: results.every((result) => result.falseWinners <= MOST_FALSE * size && isFound(result)),
    }
  },
}

/** `undefined` when there is no such case. */
async function play(index: number, size: number, seed: number, signal: AbortSignal): Promise<Simulated | undefined> {
  const args = ['--conditions=@surefoot/source', MAIN, ...[index, size, SESSIONS, seed].map(String)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, signal })
  return (JSON.parse(stdout) as Simulated | null) ?? undefined
}
