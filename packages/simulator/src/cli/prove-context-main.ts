import { parseArgs } from 'node:util'

import { contextRun } from '../real/context-run.ts'

const HELP = `Shows on a real Ollama that no prompt is cut in silence, and what larger contexts cost in loads.

  pnpm prove:context [--ollama PATH] [--model NAME] [--mixed N]

  --ollama PATH  the program                                                (default: ollama)
  --model NAME   a small model that is installed and takes 8,192 tokens     (default: smollm2:135m)
  --mixed N      requests of mixed lengths in the second part               (default: 20)

The models are where OLLAMA_MODELS says; one that it makes there is deleted at the end. Ends with 1 when a prompt was
answered from a part of it, when something else failed, or when there were more loads than the first one and one a rung.
`

/** The first one, and the one rung of a model that takes 8,192 tokens. */
const MOST_LOADS = 2

const { values } = parseArgs({
  options: {
    ollama: { type: 'string', default: 'ollama' },
    model: { type: 'string', default: 'smollm2:135m' },
    mixed: { type: 'string', default: '20' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) process.stdout.write(HELP)
else {
  const mixed = Number(values.mixed)
  if (!Number.isInteger(mixed) || mixed < 1) {
    process.stderr.write(`--mixed must be a whole number from 1 on, not ${values.mixed}.\n`)
    process.exit(2)
  }
  const { whole, refused, wrong, loads } = await contextRun({
    binary: values.ollama,
    model: values.model,
    mixed,
    onLine: (line) => process.stderr.write(`${line}\n`),
  })
  for (const line of wrong) process.stdout.write(`wrong: ${line}\n`)
  process.stdout.write(
    `${whole} answered whole, ${refused} refused with the mend, ${wrong.length} wrong; ${loads} loads\n`,
  )
  process.exitCode = wrong.length > 0 || loads > MOST_LOADS ? 1 : 0
}
