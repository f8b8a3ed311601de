import type { HealthReport, ModelInfo } from '@surefoot/protocol'

import { canonicalModel } from './backends/model-lists.ts'
import type { TaggedModel } from './backends/model-lists.ts'

type BackendPart = HealthReport['backends'][number]

/** What is known of one backend. */
export type HealthPart = BackendPart & {
  readonly ageMs: number
  /** It answers, but produces no token; no health route of its own says that. */
  readonly isWedged?: boolean
}

/** What the parts say together. */
export function healthReport(model: string, parts: readonly HealthPart[], waiting: number): HealthReport {
  const able = parts.filter(isAble).length
  const backends = parts.map(({ ageMs: _ageMs, isWedged, ...part }) => (isWedged === true ? withProblem(part) : part))
  return {
    status: able === 0 ? 'down' : able < parts.length ? 'degraded' : 'up',
    model,
    backends,
    ageMs: Math.round(Math.max(0, ...parts.map(({ ageMs }) => ageMs))),
    waiting,
  }
}

function isAble({ reachable, modelInstalled, breaker, isWedged }: HealthPart): boolean {
  return reachable && modelInstalled !== false && breaker.state !== 'open' && isWedged !== true
}

function withProblem(part: BackendPart): BackendPart {
  return { ...part, problem: part.problem ?? `Ollama at ${part.url} answers, but produces no token. Restart it there.` }
}

/** The models of all backends, each once. Paths of a backend's disk are not passed on. */
export function modelInfos(
  lists: readonly { readonly backend: string; readonly tags: readonly TaggedModel[] }[],
): ModelInfo[] {
  const byName = new Map<string, ModelInfo>()
  for (const { backend, tags } of lists) {
    for (const tag of tags) {
      const seen = byName.get(canonicalModel(tag.name))
      byName.set(canonicalModel(tag.name), {
        name: tag.name,
        digests: [...new Set([...(seen?.digests ?? []), tag.digest])],
        sizeBytes: tag.size,
        modifiedAt: tag.modified_at,
        backends: [...(seen?.backends ?? []), backend],
        details: withoutPaths(tag.details ?? {}),
      })
    }
  }
  return [...byName.values()].sort((a, b) => a.name.localeCompare(b.name))
}

function withoutPaths(details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const parent = details['parent_model']
  return typeof parent === 'string' && parent.includes('/') ? { ...details, parent_model: '' } : details
}
