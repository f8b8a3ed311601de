import type { ModelInfo } from '@surefoot/protocol'

/** One entry of Ollama's `/api/tags`. */
export interface Tag {
  readonly name: string
  readonly model: string
  readonly modified_at: string
  readonly size: number
  readonly digest: string
  readonly details: Readonly<Record<string, unknown>>
}

/** The models of all backends as one list, as Ollama prints its own. */
export function modelsToTags(models: readonly ModelInfo[]): Tag[] {
  return models.map((model) => ({
    name: model.name,
    model: model.name,
    modified_at: model.modifiedAt,
    size: model.sizeBytes,
    digest: model.digests[0] ?? '',
    details: withoutPaths(model.details),
  }))
}

/** Ollama's `details.parent_model` can hold a path of the server's disk, which is nobody's business. */
function withoutPaths(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [name, typeof value === 'string' && isPath(value) ? '' : value]),
  )
}

function isPath(text: string): boolean {
  return /^(\/|\\|[a-z]:[\\/]|~\/)/i.test(text)
}
