import type { GenerationHost } from './generation.ts'
import type { ModelWords } from './model-words.ts'
import type { ModelledOllama } from './modelled-ollama.ts'
import type { ProcessLife } from './process-life.ts'
import { fitPrompt } from './prompt-window.ts'

/** What the generations of one Ollama go by; how slow it is may change while they run. */
export function createGenerationHost(
  ollama: ModelledOllama,
  process: ProcessLife,
  words: ModelWords,
  told: Pick<GenerationHost, 'ended' | 'crashed'>,
): GenerationHost {
  return {
    ...told,
    tokenMs: ollama.options.tokenMs,
    get slow() {
      return ollama.slow
    },
    get abortLagMs() {
      return ollama.abortLagMs
    },
    later: (delayMs, work) => process.later(delayMs, work),
    lines: (request) => words.linesOf(request),
    echoes: ({ route, model }) => route === 'chat' && words.prefillOf(model) === 'echo',
    made: (listening) => {
      ollama.counts.tokens++
      if (!listening) ollama.counts.tokensForNobody++
    },
    fitOf: (request) => fitPrompt(request, words.modelOf(request.model), ollama.options.version),
    nowMs: () => process.nowMs,
  }
}
