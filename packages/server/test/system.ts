import { createSurefoot } from '@surefoot/core'
import type { SurefootConfig } from '@surefoot/core'
import { createStandIn } from '@surefoot/testing'
import type { StandIn, StandInOptions } from '@surefoot/testing'
import { pino } from 'pino'
import type { Logger } from 'pino'

import { createServer } from '../src/create-server.ts'
import type { SurefootServer } from '../src/create-server.ts'

/** A stand-in Ollama, a Surefoot before it and a server before that. */
export interface System extends AsyncDisposable {
  readonly ollama: StandIn
  readonly server: SurefootServer
  readonly url: string
  /** What the server logged: faults of its own, so nothing. */
  readonly logged: readonly unknown[]
}

export async function startSystem(options: StandInOptions = {}, config: SurefootConfig = {}): Promise<System> {
  const ollama = await createStandIn(options)
  const surefoot = createSurefoot(
    { backends: ollama.url, model: 'llama3.2', ...config },
    { env: {}, logger: pino({ level: 'silent' }) },
  )
  const logged: unknown[] = []
  const logger = { error: (record: unknown) => logged.push(record) } as unknown as Logger
  const server = await createServer({ surefoot, port: 0, logger })
  return {
    ollama,
    server,
    url: server.url,
    logged,
    async [Symbol.asyncDispose]() {
      await server.close({ drainMs: 0 })
      await surefoot.close()
      await ollama.close()
    },
  }
}
