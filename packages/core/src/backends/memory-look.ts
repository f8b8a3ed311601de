import type { Runtime } from '../runtime/runtime.ts'
import type { Backend } from './backend.ts'
import { canonicalModel, psSchema } from './model-lists.ts'
import type { LoadedModel } from './model-lists.ts'
import type { ShortCalls } from './short-calls.ts'
import type { Residency } from './model-state.ts'

/** Between the two readings of `/api/ps`. */
const BETWEEN_LOOKS_MS = 3

/**
 * Finds out whether a silent backend is loading the model. `/api/ps` lists a model as soon as its load begins, but its
 * `expires_at` then moves with the clock, until its first use has ended; so it is read twice. Of two tags that stand for one digest it lists only
 * the one that was loaded.
 * See docs/discoveries/0001-ps-lists-loading-models.md.
 */
export async function lookIntoMemory(
  backend: Backend,
  model: string,
  calls: ShortCalls,
  runtime: Runtime,
): Promise<void> {
  const sinceMs = runtime.clock.monotonicMs()
  const observed = (is: Residency): void => backend.models.observed(model, is, runtime.clock.monotonicMs(), sinceMs)
  const isIt = ({ name, digest }: LoadedModel): boolean => {
    if (canonicalModel(name) === canonicalModel(model)) return true
    return digest !== undefined && digest === backend.digests.get(canonicalModel(model))
  }
  const first = await expiryOf(isIt, calls)
  if (first === undefined) return observed('unknown')
  await new Promise<void>((resolve) => void runtime.timers.set(BETWEEN_LOOKS_MS, resolve, 'background'))
  const second = await expiryOf(isIt, calls)
  observed(residencyFrom(first, second))
}

type Expiry = { readonly listed: boolean; readonly at?: string | undefined } | undefined

function residencyFrom(first: NonNullable<Expiry>, second: Expiry): Residency {
  if (second === undefined) return 'unknown'
  if (!second.listed) return 'absent'
  return first.listed && first.at === second.at ? 'in-memory' : 'loading'
}

async function expiryOf(isIt: (model: LoadedModel) => boolean, calls: ShortCalls): Promise<Expiry> {
  try {
    const { models } = psSchema.parse(await calls.json('/api/ps'))
    const entry = models.find(isIt)
    return { listed: entry !== undefined, at: entry?.expires_at }
  } catch {
    return undefined
  }
}
