import { spawn } from 'node:child_process'
import { join } from 'node:path'

import type { Proof } from './proof.ts'

const ROOT = join(import.meta.dirname, '../../../..')

/** The breaker against its model to depth 8, and the parsers split at every byte of every recording, at full size. */
export const modelCheck: Proof = {
  title: 'breaker model-checked to depth 8, parsers at every byte',
  hasOneSize: true,
  async run(_, signal) {
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
    const args = [vitest, 'run', '--project', 'node', '--reporter=dot', 'packages/core/test/model']
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...process.env, SUREFOOT_PROVE: '1', NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'ignore'],
      signal,
    })
    let output = ''
    child.stdout.on('data', (text: Buffer) => (output += text.toString()))
    const status = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
    const tests = /Tests\s+(.+)/.exec(output)?.[1] ?? 'no test ran'
    return { scenario: this.title, demanded: 'every test passes', measured: tests, holds: status === 0 }
  },
}
