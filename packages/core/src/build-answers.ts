import { AnswerCache } from './answer-store/answer-cache.ts'
import { MemoryStore } from './answer-store/memory-store.ts'
import { RedisStore } from './answer-store/redis-store.ts'
import type { Roster } from './backends/roster.ts'
import type { Config } from './config/config.ts'
import { requirePeer } from './optional-peer.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { Telemetry } from './telemetry/telemetry.ts'

/** What the kept answers are built from. */
export interface AnswersParts {
  readonly config: Config
  readonly runtime: Runtime
  readonly telemetry: Telemetry
  readonly roster: Roster
}

/** @throws SurefootError `INVALID_CONFIG` when a Redis is to be used and its package is not installed. */
export function requireStore(config: Config): void {
  if (isWanted(config) && config.redisUrl !== undefined) requirePeer('redis', 'redisUrl')
}

/** The kept answers; `undefined` when nobody wants any. */
export function buildAnswers({ config, runtime, telemetry, roster }: AnswersParts): AnswerCache | undefined {
  const { redisUrl } = config
  if (!isWanted(config)) return undefined
  const memory = new MemoryStore(config.cacheMaxBytes)
  const { mostBytes } = memory
  const second = redisUrl === undefined ? undefined : new RedisStore(redisUrl, { runtime, telemetry, mostBytes })
  return new AnswerCache(config, {
    runtime,
    telemetry,
    memory,
    second,
    digestOf: (model) => {
      const digest = roster.fleet.digestOf(model)
      // Nobody may have looked yet; what is known of a backend is not asked again for a while.
      if (digest === undefined) for (const { health } of roster.members) void health.tags(false)
      return digest
    },
  })
}

function isWanted({ cache, degradeToCache }: Config): boolean {
  return cache || degradeToCache
}
