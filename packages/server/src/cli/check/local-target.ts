import { createSurefoot } from '@surefoot/core'
import { pino } from 'pino'

import type { Target } from './target.ts'

/** A Surefoot in this process, configured by the environment. Its log is off: it would run between the progress lines. */
export function createLocalTarget(env: Readonly<Record<string, string | undefined>>): Target {
  const surefoot = createSurefoot({}, { env, logger: pino({ level: 'silent' }) })
  return {
    name: 'a Surefoot in this process',
    health: (signal) => surefoot.health({ force: true, signal }),
    ask: async (question, system, signal) => (await surefoot.chat(question, { system, signal })).message.content,
    [Symbol.asyncDispose]: () => surefoot.close(),
  }
}
