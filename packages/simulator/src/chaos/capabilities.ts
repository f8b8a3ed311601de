import type { SurefootConfig } from '@surefoot/core'

import type { Question } from '../callers/question.ts'
import type { ModelOptions, OllamaOptions } from '../ollama/ollama-options.ts'
import type { RandomStream } from '../time/random-stream.ts'
import type { Shape } from './shape.ts'

/** Which of the four a world has, and how its callers make use of them; a function of its seed. */
export interface Capabilities {
  readonly context: boolean
  readonly cache: boolean
  readonly ladder: boolean
  readonly experiment: boolean
  /** What is asked again and again, and how often something of that. */
  readonly topics: number
  readonly topicShare: number
  /** Who stays with a variant. */
  readonly keys: number
  /** Share of the long prompts, and what the longest have in tokens. */
  readonly longShare: number
  readonly longestPrompt: number
}

/** The models of worlds with capabilities: that of most calls, that of the others, and one that is only tried out. */
const [USUAL, SECOND, THIRD, TRIED_OUT] = ['llama3.2', 'qwen3', 'phi4', 'gemma3'] as const
const FALLBACK = 'Nobody can answer now. Please ask again later.'
const VERSIONS = ['0.32.15', '0.32.15', '0.24.0', '0.12.5'] as const

/** Every second world has none of them, so that what is shown without them stays shown. */
export function drawCapabilities(seed: number, random: RandomStream): Capabilities | undefined {
  if (seed % 2 === 1) return undefined
  const draw = (): boolean => random.chance(0.45)
  const [context, cache, ladder, experiment] = [draw(), draw(), draw(), draw()]
  const hasNone = !context && !cache && !ladder && !experiment
  return {
    context: context || hasNone,
    cache,
    ladder,
    experiment,
    topics: random.pick([2, 10, 40]),
    topicShare: random.pick([0.3, 0.8]),
    keys: random.pick([5, 50]),
    longShare: random.pick([0.05, 0.3]),
    longestPrompt: random.pick([3_000, 9_000, 30_000]),
  }
}

/** A world of that shape, with these capabilities. */
export function withCapabilities(shape: Shape, has: Capabilities, random: RandomStream): Shape {
  const { context, cache, ladder, experiment } = has
  const needed = [USUAL, ...(ladder || experiment ? [SECOND] : []), ...(ladder && random.chance(0.5) ? [THIRD] : [])]
  const others = experiment ? [TRIED_OUT] : []
  const version = context ? random.pick(VERSIONS) : undefined
  const windows = new Map([...needed, ...others].map((name) => [name, random.pick([512, 2_048, 8_192, 32_768])]))
  const ollamas = shape.ollamas.map((ollama, index, all): OllamaOptions => {
    const own = ladder ? needed.filter((_, at) => isOn(at, index, all.length)) : needed
    const [first] = ollama.models
    const models = [...own, ...others].map((name): ModelOptions => ({
      ...(first as ModelOptions),
      name,
      digest: `digest of ${name}`,
      loaded: name === TRIED_OUT || random.chance(0.8),
      ...(context && { context: windows.get(name) as number }),
    }))
    return {
      ...ollama,
      models,
      mostModels: Math.max(ollama.mostModels, models.length),
      version: version ?? ollama.version,
    }
  })
  const config: Omit<SurefootConfig, 'backends'> = {
    ...shape.config,
    model: USUAL,
    ...(context && { maxContext: random.pick([0, 8_192, 16_384]) }),
    ...(cache && { cache: true, cacheTtlMs: random.pick([60_000, 600_000, 3_600_000]) }),
    ...(cache && random.chance(0.3) && { cacheMaxBytes: 65_536 }),
    ...(ladder && {
      degradeModels: needed.slice(1),
      patienceMs: random.pick([2_000, 10_000]),
      cacheStaleMs: random.pick([60_000, 3_600_000]),
      degradeToCache: random.chance(0.5),
      ...(random.chance(0.7) && { fallbackMessage: FALLBACK }),
    }),
    ...(experiment && {
      experiments: [
        {
          name: 'tone',
          variants: [
            { name: 'calm', model: USUAL, weight: random.pick([1, 3]) },
            { name: 'warm', model: SECOND },
          ],
          shadow: { model: TRIED_OUT, share: random.pick([0.2, 1]) },
        },
      ],
    }),
  }
  return { ...shape, ollamas, config }
}

/** Where a model is: the first one everywhere but on the last backend, the others not on the first. */
function isOn(model: number, backend: number, backends: number): boolean {
  if (backends === 1) return true
  return model === 0 ? backend < backends - 1 : backend > 0
}

/** A question as the callers of such a world ask it. */
export function askWith(question: Question, has: Capabilities, shape: Shape, random: RandomStream): Question {
  const models = shape.config.degradeModels ?? []
  const isTopic = (has.cache || has.ladder) && random.chance(has.topicShare)
  const topic = isTopic ? random.whole(1, has.topics) : undefined
  const isLong = has.context && random.chance(has.longShare)
  return {
    ...question,
    model: random.chance(0.15) ? models[0] : undefined,
    stickyKey: has.experiment && random.chance(0.8) ? `user-${random.whole(1, has.keys)}` : undefined,
    ...(topic !== undefined && {
      topic,
      // All that decides an answer is the same each time.
      tokens: 1 + ((topic * 37) % Math.round(4 * shape.meanTokens)),
      limit: topic % 3 === 0 ? 3 + (topic % 7) : undefined,
      temperature: random.chance(0.8) ? 0 : undefined,
      readMs: undefined,
    }),
    ...(has.context && topic === undefined && { ...promptOf(has, isLong, random) }),
    ...(has.context && random.chance(0.05) && { numCtx: random.pick([2_048, 4_096, 8_192]) }),
  }
}

function promptOf({ longestPrompt }: Capabilities, isLong: boolean, random: RandomStream): Partial<Question> {
  const wordLength = random.whole(3, 5)
  if (!isLong) return { promptTokens: random.whole(1, 100), wordLength }
  return { promptTokens: Math.round(Math.exp(random.between(Math.log(200), Math.log(longestPrompt)))), wordLength }
}
