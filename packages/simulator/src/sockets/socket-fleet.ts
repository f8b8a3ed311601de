import { createSurefoot } from '@surefoot/core'
import type { LocalSurefoot, SurefootConfig } from '@surefoot/core'
import { createStandIn } from '@surefoot/testing'
import type { StandIn, StandInOptions } from '@surefoot/testing'

/** Stand-in Ollamas on real sockets, and a Surefoot before them. */
export interface SocketFleet extends AsyncDisposable {
  readonly ollamas: readonly StandIn[]
  readonly surefoot: LocalSurefoot
}

/** A question of so many tokens; the answer is as long as it asks for. */
export function questionOf(tokens: number): string {
  return `Say ${tokens} words.`
}

export async function startFleet(
  count: number,
  options: StandInOptions,
  config: SurefootConfig = {},
): Promise<SocketFleet> {
  const ollamas = await Promise.all(
    Array.from({ length: count }, () => createStandIn({ answers: ({ prompt }) => answerTo(prompt), ...options })),
  )
  const surefoot = createSurefoot(
    { backends: ollamas.map(({ url }) => url), logLevel: 'silent', ...config },
    { env: {} },
  )
  return {
    ollamas,
    surefoot,
    async [Symbol.asyncDispose]() {
      await Promise.all(ollamas.map((ollama) => ollama.close()))
      await surefoot.close()
    },
  }
}

function answerTo(prompt: string): string {
  const tokens = Number(/\d+/.exec(prompt)?.[0] ?? 1)
  return Array.from({ length: tokens }, () => 'word').join(' ')
}
