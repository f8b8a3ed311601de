import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A Redis of a test: a process of its own on a free port of this machine, that keeps nothing on disk. */
export interface RedisServer extends AsyncDisposable {
  readonly url: string
  /** Ends it at once, as `kill -9`. */
  kill(): Promise<void>
  /** Starts it anew on the same port, empty. */
  start(): Promise<void>
  /** From now on it takes connections and answers nothing; until `wake`. */
  freeze(): void
  wake(): void
}

const NAMES = ['redis-server', 'valkey-server']
const MISSING =
  'No redis-server found. Install it (Debian: apt-get install redis-server); the tests of the cache start it.'

/** @throws Error that says how to install it where there is none. */
export async function startRedis(): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'surefoot-redis-'))
  const port = await freePort()
  let child = await launch(port, folder)
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await ended
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    async start() {
      child = await launch(port, folder)
    },
    freeze: () => void child.kill('SIGSTOP'),
    wake: () => void child.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      await kill()
      await rm(folder, { recursive: true })
    },
  }
}

async function launch(port: number, folder: string): Promise<ChildProcess> {
  for (const name of NAMES) {
    const child = await tryLaunch(name, port, folder)
    if (child !== undefined) return child
  }
  throw new Error(MISSING)
}

function tryLaunch(name: string, port: number, folder: string): Promise<ChildProcess | undefined> {
  const options = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: folder, daemonize: 'no' }
  const args = Object.entries(options).flatMap(([option, value]) => [`--${option}`, String(value)])
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    let printed = ''
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve(undefined)
      else reject(error)
    })
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}: ${printed}`)))
    child.stdout.on('data', (data: Buffer) => {
      printed += data.toString()
      if (!/ready to accept connections/i.test(printed)) return
      child.stdout.removeAllListeners('data').resume()
      resolve(child)
    })
  })
}

function freePort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
