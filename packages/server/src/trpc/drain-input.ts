import { sentenceFromIssues, SurefootError } from '@surefoot/protocol'
import { z } from 'zod'

import type { Context, Drains } from './init.ts'

/** Input of the procedures `drain` and `undrain`. */
export interface DrainInput {
  /** The backend, as `backends` names it. */
  readonly url: string
}

const drainInputSchema = z.object(
  { url: z.string('url must be a string').min(1, 'url must not be empty') },
  'the input must be an object with the url of a backend',
)

/** Checks the input. @throws SurefootError `INVALID_REQUEST` with one sentence. */
export function parseDrainInput(value: unknown): DrainInput {
  const form = drainInputSchema.safeParse(value)
  if (form.success) return form.data
  throw new SurefootError({ code: 'INVALID_REQUEST', message: sentenceFromIssues(form.error) }, { cause: form.error })
}

/** What drains here. @throws SurefootError `FORBIDDEN` where this caller may not. */
export function drainsOf({ drains }: Context): Drains {
  if (drains !== undefined) return drains
  throw new SurefootError({
    code: 'FORBIDDEN',
    message: 'Backends cannot be drained here.',
    hint: 'It takes a server that asks for a key or listens on loopback alone, over a Surefoot of @surefoot/core.',
  })
}
