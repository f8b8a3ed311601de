import { readConfig } from '@surefoot/core'
import { SurefootError } from '@surefoot/protocol'

import { buildPage, PAGE_FOLDER } from './build-page.ts'
import { chooseBackend, type ChosenBackend } from './choose-backend.ts'
import { configFromEnv } from './config-from-env.ts'
import { HELP, readCliOptions, type CliOptions } from './cli-options.ts'
import { readPageFiles } from './page-files.ts'
import { shownUrl } from './shown-url.ts'
import { startDemo } from './start-demo.ts'

/** Signals closer together than this are one. */
const ONE_CTRL_C_MS = 500

const say = (line: string): void => void process.stdout.write(`${line}\n`)

async function main(options: CliOptions): Promise<void> {
  const config = readConfig({}, process.env)
  const [backend] = await Promise.all([
    chooseBackend({ urls: config.backends, model: config.model, wish: options.backend }),
    buildPage(() => say('Building the page …')),
  ])
  const demo = await startDemo({
    backend,
    port: options.port,
    page: readPageFiles(PAGE_FOLDER),
    config: configFromEnv(config, process.env),
  })

  say('')
  say('  BabySteps, the mentor that keeps its feet')
  say('')
  say(`  Open     ${demo.url}`)
  if (options.port !== 0 && demo.port !== options.port) say(`           (port ${options.port} is taken)`)
  say(`  Answers  ${whoAnswers(backend)}`)
  for (const line of backend.kind === 'real' ? [backend.note, backend.missing] : [backend.note]) {
    if (line !== undefined) say(`           ${line}`)
  }
  say('  Stop     Ctrl-C')
  say('')

  let stoppedAtMs: number | undefined
  const stop = (): void => {
    const nowMs = performance.now()
    // Whoever asks again does not want to wait for the answers that still run. But one Ctrl-C can come twice, from the
    // terminal and from the package manager that started this.
    if (stoppedAtMs !== undefined && nowMs - stoppedAtMs > ONE_CTRL_C_MS) process.exit(130)
    if (stoppedAtMs !== undefined) return
    stoppedAtMs = nowMs
    say('Stopping …')
    void demo[Symbol.asyncDispose]()
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}

function whoAnswers(backend: ChosenBackend): string {
  if (backend.kind === 'stand-in') return 'a stand-in Ollama: scripted answers, no model'
  return `${backend.model} of the Ollama at ${backend.urls.map(shownUrl).join(' and ')}`
}

try {
  const options = readCliOptions(process.argv.slice(2), process.env)
  if (options.help) say(HELP)
  else await main(options)
} catch (error) {
  const text = error instanceof Error ? error.message : String(error)
  process.stderr.write(`${SurefootError.is(error) ? `${text} ${error.hint}` : text}\n`)
  process.exitCode = 1
}
