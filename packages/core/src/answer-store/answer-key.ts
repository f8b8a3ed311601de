import { hash } from 'node:crypto'

import { LOAD_OPTIONS } from '../load-options.ts'
import type { Call } from '../service.ts'

/** Part of every key: another way of making them must not meet answers kept by this one. */
const FORM = 1

/**
 * What tells one question from another: a digest of everything that decides its answer, and of whose question it is. The
 * order of fields does not count, nor does what decides only how the model is loaded and the answer sent. It is the same
 * above and below `prepare`, so that a caller whose model is gone finds what was kept when it was there.
 *
 * `undefined` for what cannot be written as JSON, which no backend is asked.
 *
 * @param isGuarded whether no prompt is cut in silence: then the size of the context decides nothing.
 */
export function answerKey({ model, tenant, request }: Call, isGuarded: boolean): string | undefined {
  const { stream: _stream, keep_alive: _keepAlive, options, truncate, model: named, ...asked } = request
  const mayBeCut = !isGuarded || (truncate !== undefined && truncate !== false)
  const deciding = Object.entries(options ?? {}).filter(([name]) => decides(name, mayBeCut))
  const question = {
    ...asked,
    model: named ?? model,
    ...(mayBeCut && { truncate }),
    ...(deciding.length > 0 && { options: Object.fromEntries(deciding) }),
  }
  try {
    return hash('sha256', JSON.stringify([FORM, tenant ?? null, question], sorted), 'base64url')
  } catch {
    return undefined
  }
}

/**
 * Whether Ollama gives the same answer to the same question: it always takes the likeliest token, or draws with a seed of
 * the caller's (`ollama-behaviour.md` 5). A seed of -1 is Ollama's word for none.
 */
export function isDeterministic({ request }: Call): boolean {
  const { options } = request
  if (options === undefined) return false
  const seed = options['seed']
  return options['temperature'] === 0 || options['top_k'] === 1 || (Number.isInteger(seed) && seed !== -1)
}

function decides(option: string, mayBeCut: boolean): boolean {
  if (option === 'num_ctx') return mayBeCut
  return !(LOAD_OPTIONS as readonly string[]).includes(option)
}

/** For `JSON.stringify`: the fields of every object in one order. */
function sorted(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const names = Object.keys(value)
  if (names.length < 2) return value
  return Object.fromEntries(names.toSorted().map((name) => [name, (value as Record<string, unknown>)[name]]))
}
