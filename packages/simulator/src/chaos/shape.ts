import type { SurefootConfig } from '@surefoot/core'
import type { Priority } from '@surefoot/protocol'

import { DEFAULT_OLLAMA } from '../ollama/ollama-options.ts'
import type { OllamaOptions } from '../ollama/ollama-options.ts'
import { mixedFaults, streamFaults } from '../ollama/request-fault.ts'
import type { FaultChance } from '../ollama/request-fault.ts'
import type { RandomStream } from '../time/random-stream.ts'

/** What one world of chaos is like; a function of its seed. */
export interface Shape {
  readonly ollamas: readonly OllamaOptions[]
  readonly config: Omit<SurefootConfig, 'backends'>
  /** Share of the capacity that is asked for. */
  readonly load: number
  readonly meanTokens: number
  readonly promptMs: number
  readonly meanBetweenFaultsMs: number
  /** What goes wrong all the time, as long as anything does. */
  readonly usualFaults: readonly FaultChance[]
  /** Whose calls they are, each as often as it is named; the first one also asks in floods. @default nobody's */
  readonly tenants: readonly string[]
  /** Each as often as it is named. @default all are the same */
  readonly priorities: readonly Priority[]
  /** Shares of the callers who make a mistake, and who leave. */
  readonly wrongShare: number
  readonly leavingShare: number
}

const TENANTS: readonly (readonly string[])[] = [[], ['flood', 'flood', 'flood', 'brook', 'brook', 'drop']]

const PRIORITIES: readonly (readonly Priority[])[] = [
  [],
  ['critical', 'high', 'normal', 'normal', 'low'],
  ['high', 'high', 'high', 'high', 'high', 'low'],
]

export function drawShape(random: RandomStream): Shape {
  const slots = random.pick([1, 1, 1, 2, 4])
  const count = random.pick([1, 2, 2, 3, 3, 3, 4, 5])
  const load = random.pick([0.2, 0.4, 0.6, 0.8, 1.5])
  const meanTokens = random.pick([6, 15, 30])
  const promptMs = random.between(100, 2_000)
  // Slow enough that an hour holds a thousand calls or two: more of the same would show nothing new.
  const holdMs = (load * slots * count) / random.between(0.15, 0.5)
  const tokenMs = Math.min(2_500, Math.max(50, (holdMs * 1_000 - promptMs) / meanTokens))
  const models = random.chance(0.25) ? ['llama3.2', 'qwen3'] : ['llama3.2']
  const mostModels = random.pick([1, 2, 3])
  const prefill = random.pick(['continue', 'continue', 'echo', 'echo', 'new-turn'] as const)
  const shared = {
    ...DEFAULT_OLLAMA,
    slots,
    version: random.chance(0.8) ? '0.32.15' : '0.24.0',
    models: models.map((name, index) => ({ name, digest: `d${index}`, loaded: random.chance(0.8), prefill })),
    mostModels,
    maxQueue: random.pick([4, 512]),
    // Two models that drive each other out of memory for minutes leave no time for anything else.
    loadMs: random.pick(models.length > mostModels ? [1_000, 8_000] : [1_000, 8_000, 90_000]),
    // Less than the five minutes that Ollama keeps a model by itself: it is gone when it is believed to be there.
    keepAliveMs: random.pick([300_000, 300_000, 300_000, 20_000]),
    tokenMs,
  }
  return {
    ollamas: Array.from({ length: count }, (_, index) => ({ ...shared, url: `http://gpu-${index}:11434` })),
    config: {
      preset: random.pick(['development', 'development', 'production', 'guide']),
      slots,
      timeoutMs: random.pick([10_000, 30_000, 60_000]),
      waitForReadyMs: random.pick([0, 5_000, 30_000]),
      maxQueueLength: random.pick([5, 10_000]),
      deadlineMs: random.pick([60_000, 300_000, 900_000]),
      // A request that hangs while its model may be loading is given up within the quiet part.
      loadTimeoutMs: 150_000,
      retryBudget: random.pick([20, 500]),
    },
    load,
    meanTokens,
    promptMs,
    meanBetweenFaultsMs: random.pick([60_000, 180_000, 600_000]),
    usualFaults: random.pick([[], streamFaults(0.15), streamFaults(0.4), mixedFaults(0.1), mixedFaults(0.4)]),
    tenants: random.pick(TENANTS),
    priorities: random.pick(PRIORITIES),
    wrongShare: random.pick([0.01, 0.01, 0.1]),
    leavingShare: random.pick([0.05, 0.1, 0.3]),
  }
}
