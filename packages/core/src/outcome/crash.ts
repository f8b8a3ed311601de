import { SurefootError } from '@surefoot/protocol'

import type { Attempted } from './failure.ts'
import type { Verdict } from './verdict.ts'

/** A runner that died, in Ollama's own words; a connection that broke may have other causes (F7, F8). */
const CRASH = /unexpectedly stopped|unexpected eof|: eof\b|process (has )?terminated/i

/** Marks a crash, and blames the request for it where another backend's runner crashed on it too. */
export function withCrash(judged: Verdict, text: string, attempted: Attempted): Verdict {
  if ((judged.class !== 'node' && judged.class !== 'stream') || !CRASH.test(text)) return judged
  const { crashedElsewhere, backend, model } = attempted
  if (crashedElsewhere === undefined) return { ...judged, crash: true }
  const message = `The runner of ${model} crashed on this request at ${crashedElsewhere} and at ${backend}.`
  const error = new SurefootError({ code: 'POISONED_REQUEST', message, backend })
  return { ...judged, class: 'poison', crash: true, error, retry: 'never' }
}
