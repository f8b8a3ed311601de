import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { createStandIn } from '@surefoot/testing'
import { expect, onTestFinished, test, vi } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const STARTED = { timeout: 15_000 }

interface Command {
  readonly out: string
  readonly exited: Promise<{ code: number | null; out: string; err: string }>
  kill(signal: NodeJS.Signals): void
}

/** The real command line in a process of its own, for what only a process has: signals, streams, exit status. */
function surefoot(args: string[], env: Record<string, string> = {}): Command {
  const child = spawn(process.execPath, ['--conditions=@surefoot/source', MAIN, ...args], { env })
  onTestFinished(() => void child.kill('SIGKILL'))
  let out = ''
  let err = ''
  child.stdout.on('data', (part: Buffer) => (out += part.toString()))
  child.stderr.on('data', (part: Buffer) => (err += part.toString()))
  return {
    get out() {
      return out
    },
    exited: new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err }))),
    kill: (signal) => void child.kill(signal),
  }
}

test('serve answers, says in a second process that its port is taken, and ends with 0 on SIGTERM', async () => {
  await using ollama = await createStandIn({ answers: { '*': 'ANSWER-CANARY' } })
  const command = surefoot(['serve', '--port', '0', '--backend', ollama.url, '--log-level', 'trace'])
  await vi.waitFor(() => expect(command.out).toContain('Surefoot is ready'), STARTED)
  const url = /http:\/\/[\d.]+:\d+/.exec(command.out)![0]
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'PROMPT-CANARY' }] })
  expect(await (await fetch(`${url}/api/chat`, { method: 'POST', body })).text()).toContain('CANARY')
  await (await fetch(`${url}/api/chat`, { method: 'POST', body: '{"messages": PROMPT-CANARY' })).text()

  const second = await surefoot(['serve', '--port', new URL(url).port]).exited
  expect(second.code).toBe(1)
  expect(second.err).toContain(`surefoot: Port ${new URL(url).port} on 127.0.0.1 is already in use.\n`)
  expect(second.err).not.toMatch(/ at .*\.ts/)

  command.kill('SIGTERM')
  const { code, out, err } = await command.exited
  expect(code).toBe(0)
  expect(out.split('\n')).toHaveLength(2)
  // Prompts and answers never reach the log, at whatever level.
  expect(err).toContain('"level"')
  expect(out + err).not.toContain('CANARY')
})

test('check ends with 130 on Ctrl-C', async () => {
  await using ollama = await createStandIn({ answerTokens: 10_000, tokensPerSecond: 50 })
  const command = surefoot(['check'], { OLLAMA_BASE_URL: ollama.url })
  await vi.waitFor(() => expect(ollama.counts.tokens).toBeGreaterThan(3), STARTED)
  command.kill('SIGINT')
  expect(await command.exited).toMatchObject({ code: 130, err: 'Interrupted.\n' })
  await vi.waitFor(() => expect(ollama.counts.openRequests).toBe(0))
})
