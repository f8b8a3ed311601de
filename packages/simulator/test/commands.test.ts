import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command as `pnpm` does. */
function run(command: 'simulate' | 'prove', ...args: readonly string[]): Promise<Ran> {
  const file = join(import.meta.dirname, `../src/cli/${command}-main.ts`)
  return new Promise((resolve) => {
    execFile(process.execPath, ['--conditions=@surefoot/source', file, ...args], (error, stdout, stderr) => {
      resolve({
        status: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1,
        stdout,
        stderr,
      })
    })
  })
}

describe('pnpm simulate', () => {
  it('runs many worlds in threads and adds them up', async () => {
    const { status, stdout, stderr } = await run('simulate', '--seeds', '5', '--hours', '0.05', '--threads', '2')
    expect(stderr).toContain('of 5 seeds')
    expect(stdout).toMatch(/\| seeds +\| 5 /)
    expect(stdout).toMatch(/\| violations +\| 0 /)
    expect(status).toBe(0)
  })

  it('shows one world step by step, and says its hash each time', async () => {
    const { status, stdout } = await run('simulate', '--seed', '3', '--hours', '0.05', '--trace', '--repeat', '2')
    expect(stdout).toMatch(/^00:00:\d\d\.\d{3} {2}call +1 /m)
    expect(new Set(stdout.match(/seed 3: [0-9a-f]{16}/g)).size).toBe(1)
    expect(status).toBe(0)
  })

  it('says what it takes', async () => {
    expect((await run('simulate', '--help')).stdout).toContain('--trace')
    expect(await run('simulate', '--hours', 'many')).toMatchObject({ status: 2, stdout: '' })
  })
})

describe('pnpm prove', () => {
  it('prints what was demanded and what was measured as a table in Markdown', async () => {
    const { status, stdout } = await run('prove', '--only', 'coin-flip,cold-model', '--scale', '0.02')
    expect(stdout).toMatch(/^\| scenario +\| demanded /)
    expect(stdout.trim().split('\n')).toHaveLength(4)
    expect(status).toBe(0)
  })

  it('knows its scenarios', async () => {
    expect((await run('prove', '--help')).stdout).toContain('tail-latency')
    expect(await run('prove', '--only', 'nothing')).toMatchObject({ status: 2, stdout: '' })
  })
})
