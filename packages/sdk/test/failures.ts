import { SurefootError } from '@surefoot/protocol'
import type { Surefoot } from '@surefoot/protocol'
import { expect } from 'vitest'

import { createClient } from '../src/client.ts'

/** A client without a fallback, so that what went wrong shows. */
export const strict = (url: string, silenceMs?: number): Surefoot => createClient({ url, fallback: false, silenceMs })

/** The typed error that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<SurefootError> {
  const error = await promise.then(
    (value) => expect.unreachable(`resolved with ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  )
  if (!SurefootError.is(error)) throw error
  return error
}

/** What a run showed before it failed, and with what it did. */
export async function shownAndFailure(surefoot: Surefoot, input = 'one two'): Promise<[string, SurefootError]> {
  let shown = ''
  const run = surefoot.run(input)
  const error = await failureOf(
    (async () => {
      for await (const event of run) if (event.type === 'delta') shown += event.text
    })(),
  )
  expect(await failureOf(run.answer)).toBe(error)
  return [shown, error]
}
