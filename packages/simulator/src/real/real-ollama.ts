import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** It answers within this time after its start, or it will not. */
const LONGEST_START_MS = 30_000

/**
 * A real Ollama as a process of its own on a free port of this machine, which can be killed and started again. Where its
 * models are, and whatever else it needs to know, comes from the environment (`OLLAMA_MODELS`, …).
 */
export class RealOllama implements AsyncDisposable {
  readonly url: string
  readonly #binary: string
  readonly #port: number
  #child: ChildProcess | undefined

  private constructor(binary: string, port: number) {
    this.#binary = binary
    this.#port = port
    this.url = `http://127.0.0.1:${port}`
  }

  /** @param binary `ollama`, or the path of it. */
  static async start(binary: string): Promise<RealOllama> {
    const ollama = new RealOllama(binary, await freePort())
    await ollama.start()
    return ollama
  }

  /** Starts it, again if it was killed, and waits until it answers. */
  async start(): Promise<void> {
    const env = { ...process.env, OLLAMA_HOST: `127.0.0.1:${this.#port}` }
    const child = spawn(this.#binary, ['serve'], { env, stdio: 'ignore', detached: true })
    this.#child = child
    const failed = once(child, 'error').then(([error]) => {
      throw error as Error
    })
    await Promise.race([failed, this.#answers()])
    failed.catch(() => {})
  }

  /** `kill -9`, and the same to its runners, which it leaves behind as orphans. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const runners = await childrenOf(child.pid)
    const exited = once(child, 'exit')
    for (const pid of [child.pid, ...runners]) killIfAlive(pid)
    await exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  async #answers(): Promise<void> {
    const startedAtMs = performance.now()
    while (performance.now() - startedAtMs < LONGEST_START_MS) {
      const reply = await fetch(`${this.url}/api/version`).catch(() => undefined)
      if (reply?.ok === true) return
      await sleep(50)
    }
    throw new Error(`${this.#binary} serve does not answer on ${this.url} within ${LONGEST_START_MS / 1000} s`)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Linux tells the parent of a process in the fourth field of its `stat`. */
async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const parents = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      return { pid: Number(pid), parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) }
    }),
  )
  return parents.flatMap((each) => (each.parent === parent ? [each.pid] : []))
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It was gone already.
  }
}
