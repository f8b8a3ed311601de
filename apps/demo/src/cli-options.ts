import { parseArgs } from 'node:util'

import type { BackendWish } from './choose-backend.ts'

/** What the command line and the environment ask for. */
export interface CliOptions {
  readonly port: number
  readonly backend: BackendWish
  readonly help: boolean
}

/** What `--help` prints. */
export const HELP = `The BabySteps mentor: a chat page beside the machinery that keeps it answering.

  pnpm demo [--port 8000] [--backend auto|real|stand-in]

  --port N      the port of the page; the next free one if it is taken (also: PORT) [8000]
  --backend B   auto: the Ollama at OLLAMA_BASE_URL if one answers there, else the stand-in [auto]
                real: that Ollama, also while it is away; stand-in: scripted answers, no model
  --help        this text

  OLLAMA_BASE_URL [http://127.0.0.1:11434], OLLAMA_MODEL [llama3.2] and all other settings of Surefoot hold here too.
`

const WISHES: readonly BackendWish[] = ['auto', 'real', 'stand-in']

/** Reads the command line. @throws an Error whose message says in one sentence what is wrong */
export function readCliOptions(args: readonly string[], env: Readonly<Record<string, string | undefined>>): CliOptions {
  const { values } = parseArgs({
    args: args.filter((argument) => argument !== '--'),
    options: { port: { type: 'string' }, backend: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  const fromEnv = env['PORT']?.trim()
  const portText = values.port ?? (fromEnv === '' ? undefined : fromEnv) ?? '8000'
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : Number.NaN
  if (!(port <= 65_535)) {
    const name = values.port === undefined ? 'PORT' : '--port'
    throw new Error(`${name} must be a whole number from 0 to 65535, but is "${portText}".`)
  }
  const backend = WISHES.find((wish) => wish === (values.backend ?? 'auto'))
  if (backend === undefined)
    throw new Error(`--backend must be one of ${WISHES.join(', ')}, but is "${values.backend}".`)
  return { port, backend, help: values.help === true }
}
