import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

import type { SurefootConfig } from '@surefoot/core'

/** What a script did in a process of its own. */
export interface Ran {
  readonly code: number | null
  /** What it printed. */
  readonly lines: readonly string[]
  /** From the last line it printed to its end, in milliseconds. */
  readonly lingeredMs: number
}

/** Runs a module in a Node of its own, with a `surefoot` that speaks to the given backend. */
export async function runScript(url: string, body: string, config: SurefootConfig = {}): Promise<Ran> {
  const settings = JSON.stringify({ backends: url, logLevel: 'silent', ...config })
  const source = `
    import { createSurefoot } from '@surefoot/core'
    const surefoot = createSurefoot(${settings}, { env: {} })
    ${body}
  `
  const child = spawn(process.execPath, ['--conditions=@surefoot/source', '--input-type=module', '--eval', source], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  let lastAtMs = performance.now()
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    lastAtMs = performance.now()
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, lines, lingeredMs: performance.now() - lastAtMs }
}
