import { hash } from 'node:crypto'

import { LOAD_OPTIONS } from '../load-options.ts'
import type { Call } from '../service.ts'

/** Part of every key: another way of making them must not meet answers kept by this one. */
const FORM = 1

/**
 * What tells one question from another: a digest of everything that decides its answer, and of whose question it is. The
 * order in which the request, its messages and its options name their fields does not count, nor does what decides only how
 * the model is loaded and the answer sent. What is inside a field counts as it stands: the model reads tools, and writes the
 * fields of a `format`, in the order in which they are given. It is the same above and below `prepare`, so that a caller
 * whose model is gone finds what was kept when it was there.
 *
 * `undefined` for what cannot be written as JSON, which no backend is asked.
 *
 * @param isGuarded whether no prompt is cut in silence: then the size of the context decides nothing.
 */
export function answerKey({ model, tenant, request }: Call, isGuarded: boolean): string | undefined {
  const { stream: _stream, keep_alive: _keepAlive, options, truncate, model: named, messages, ...asked } = request
  const mayBeCut = !isGuarded || (truncate ?? false) !== false
  const deciding = Object.entries(options ?? {}).filter(([name]) => decides(name, mayBeCut))
  const question = sorted({
    ...asked,
    model: named ?? model,
    messages: messages.map(sorted),
    ...(mayBeCut && { truncate }),
    ...(deciding.length > 0 && { options: sorted(Object.fromEntries(deciding)) }),
  })
  try {
    return hash('sha256', JSON.stringify([FORM, tenant ?? null, question]), 'base64url')
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

/** The same fields in one order. */
function sorted(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const names = Object.keys(fields).toSorted()
  return Object.fromEntries(names.map((name) => [name, fields[name]]))
}
