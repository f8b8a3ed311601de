import { createSurefoot } from '../packages/core/src/index.ts'
import { createServer } from '../packages/server/src/index.ts'
import { createStandIn } from '../packages/testing/src/index.ts'
import type { Addresses } from './readme-blocks.ts'

/** What the blocks of the pages talk to: a stand-in Ollama, and a Surefoot server in front of it. */
export async function createReadmeStage(): Promise<Addresses & AsyncDisposable> {
  const standIn = await createStandIn()
  const surefoot = createSurefoot({ backends: [standIn.url], logLevel: 'silent' })
  const server = await createServer({ surefoot, port: 0 })
  return {
    ollamaUrl: standIn.url,
    surefootUrl: server.url,
    async [Symbol.asyncDispose]() {
      await server.close()
      await surefoot.close()
      await standIn[Symbol.asyncDispose]()
    },
  }
}
