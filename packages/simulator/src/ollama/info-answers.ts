import type { ModelMemory } from './model-memory.ts'
import { canonicalName } from './model-request.ts'
import type { ModelOptions } from './ollama-options.ts'

/** The answer to a short question about models. */
export interface InfoAnswer {
  readonly status: number
  readonly json: unknown
}

/** The last instant that a date can name: a model that is kept for ever expires then. */
const LAST_DATE_MS = 8.64e15

/** What `/api/tags` says. */
export function tagsAnswer(models: readonly ModelOptions[]): InfoAnswer {
  return { status: 200, json: { models: models.map(tagOf) } }
}

/** What `/api/ps` says; a model is listed as soon as its load begins. @param wallFromMs when the world began, in ms since 1970 */
export function psAnswer(models: readonly ModelOptions[], memory: ModelMemory, wallFromMs: number): InfoAnswer {
  const inMemory = models.flatMap((model) => {
    const runner = memory.runnerOf(canonicalName(model.name))
    if (runner.phase === 'absent') return []
    const size = model.sizeBytes ?? 209_505_483
    const expires_at = new Date(Math.min(wallFromMs + runner.expiresAtMs, LAST_DATE_MS)).toISOString()
    return [
      {
        ...tagOf(model),
        size,
        size_vram: model.vramBytes ?? size,
        context_length: runner.numCtx(model.context),
        expires_at,
      },
    ]
  })
  return { status: 200, json: { models: inMemory } }
}

/** What `/api/show` says of a model. */
export function showAnswer(models: readonly ModelOptions[], name: string): InfoAnswer {
  const model = models.find((each) => canonicalName(each.name) === canonicalName(name))
  if (model === undefined) {
    return { status: 404, json: { error: `model '${name}' not found` } }
  }
  return {
    status: 200,
    json: {
      template: '{{ .Prompt }}',
      details: { family: 'llama' },
      capabilities: ['completion'],
      model_info: model.context === undefined ? {} : { 'llama.context_length': model.context },
    },
  }
}

function tagOf({ name, digest }: ModelOptions): object {
  const tagged = name.includes(':') ? name : `${name}:latest`
  return { name: tagged, model: tagged, digest, size: 98_364_512, modified_at: '2026-11-23T03:04:38Z' }
}
