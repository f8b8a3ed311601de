import { canonicalName } from './model-request.ts'
import type { ModelRequest } from './model-request.ts'
import type { ModelOptions } from './ollama-options.ts'
import { TokenLines } from './wire-lines.ts'

/** How the models of one Ollama speak: their lines, and what they make of a half answer. */
export class ModelWords {
  readonly #models: readonly ModelOptions[]
  readonly #lines = new Map<string, TokenLines>()

  constructor(models: readonly ModelOptions[]) {
    this.#models = models
  }

  linesOf({ model, route }: ModelRequest): TokenLines {
    const key = `${route} ${model}`
    const lines = this.#lines.get(key) ?? new TokenLines(model, route)
    this.#lines.set(key, lines)
    return lines
  }

  prefillOf(model: string): ModelOptions['prefill'] | undefined {
    return this.modelOf(model)?.prefill
  }

  modelOf(model: string): ModelOptions | undefined {
    return this.#models.find(({ name }) => canonicalName(name) === canonicalName(model))
  }
}
