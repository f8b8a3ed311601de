import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { readWorkspaceFile, ROOT } from './source-files.ts'

/** Runs a tool of the workspace; its output where it fails, `undefined` where it ends with 0. */
export async function runCommand(command: string, args: readonly string[], cwd = ROOT): Promise<string | undefined> {
  const path = [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, PATH: path, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => output.push(text))
  }
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject).once('close', resolve)
  const status = await promise
  return status === 0
    ? undefined
    : stripVTControlCharacters(output.join('')) || `${command} ended with ${status} and said nothing`
}

/** Runs pnpm: the one that runs this script, else the one that package.json names. */
export async function runPnpm(args: readonly string[], cwd = ROOT): Promise<string | undefined> {
  const isOnPath = (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'pnpm')))
  if (isOnPath) return runCommand('pnpm', args, cwd)
  const { packageManager } = JSON.parse(readWorkspaceFile('package.json')) as { packageManager: string }
  return runCommand('npx', ['-y', packageManager, ...args], cwd)
}
