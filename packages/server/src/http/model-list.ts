import type { BackendHealth, LoadedModelInfo, ModelInfo } from '@surefoot/protocol'

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

/** One entry of Ollama's `/api/ps`. */
export interface LoadedTag extends Omit<Tag, 'modified_at'> {
  /** Absent where no backend says so. */
  readonly expires_at?: string | undefined
  readonly size_vram?: number | undefined
}

/**
 * The models in the memory of any backend, as Ollama prints its own. Of one that several hold the one counts that stays
 * longest.
 */
export function modelsToLoadedTags(models: readonly ModelInfo[], backends: readonly BackendHealth[]): LoadedTag[] {
  const names = new Set(backends.flatMap(({ inMemory = [] }) => inMemory))
  const byName = new Map<string, LoadedModelInfo>()
  for (const entry of backends.flatMap(({ loaded = [] }) => loaded)) {
    const known = byName.get(entry.name)
    if (known === undefined || expiryOf(entry) > expiryOf(known)) byName.set(entry.name, entry)
  }
  return modelsToTags(models.filter(({ name }) => names.has(name))).map(({ modified_at: _modifiedAt, ...tag }) => {
    const entry = byName.get(tag.name)
    return {
      ...tag,
      ...(entry?.sizeBytes !== undefined && { size: entry.sizeBytes }),
      ...(entry?.expiresAt !== undefined && { expires_at: entry.expiresAt }),
      ...(entry?.vramBytes !== undefined && { size_vram: entry.vramBytes }),
    }
  })
}

function expiryOf({ expiresAt }: LoadedModelInfo): number {
  return expiresAt === undefined ? 0 : Date.parse(expiresAt)
}
