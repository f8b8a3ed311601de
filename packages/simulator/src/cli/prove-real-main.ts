import { parseArgs } from 'node:util'

import { killRun } from '../real/kill-run.ts'
import type { KillRunResult } from '../real/kill-run.ts'

const HELP = `Streams from three real Ollamas of which one is ended by kill -9 every 20 s, and started again after 5 s.

  pnpm prove:real [--ollama PATH] [--model NAME] [--streams N]

  --ollama PATH  the program                       (default: ollama)
  --model NAME   a small model that is installed   (default: smollm2:135m)
  --streams N    how many                          (default: 1000)
  --at-once N    how many at a time                (default: 3)

The models are where OLLAMA_MODELS says. Ends with 1 unless at most one stream in a thousand is not whole and none is doubled.
`

const { values } = parseArgs({
  options: {
    ollama: { type: 'string', default: 'ollama' },
    model: { type: 'string', default: 'smollm2:135m' },
    streams: { type: 'string', default: '1000' },
    'at-once': { type: 'string', default: '3' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

function countOf(name: 'streams' | 'at-once'): number {
  const count = Number(values[name])
  if (Number.isInteger(count) && count > 0) return count
  process.stderr.write(`--${name} must be a whole number from 1 on, not ${values[name]}.\n`)
  process.exit(2)
}

function toLine({ whole, exact, doubled, resumed, retried, kills, broken }: KillRunResult): string {
  return `${whole} whole, ${exact} of them as undisturbed, ${broken.length} broken, ${doubled} doubled; ${resumed} gone on from, ${retried} retries, ${kills} kills`
}

if (values.help) process.stdout.write(HELP)
else {
  const streams = countOf('streams')
  const stopped = new AbortController()
  process.once('SIGINT', () => stopped.abort())
  const result = await killRun({
    binary: values.ollama,
    model: values.model,
    streams,
    atOnce: countOf('at-once'),
    killEveryMs: 20_000,
    restartAfterMs: 5_000,
    signal: stopped.signal,
    onProgress: (done, soFar) => {
      if (done % 50 === 0) process.stderr.write(`${done} of ${streams}: ${toLine(soFar)}\n`)
    },
  })
  for (const error of result.broken) process.stdout.write(`${error}\n`)
  process.stdout.write(`${toLine(result)}\n`)
  process.exitCode = result.doubled > 0 || result.broken.length > streams / 1_000 ? 1 : 0
}
