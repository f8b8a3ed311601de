import { createSurefoot, readConfig } from '@surefoot/core'
import type { LogLevel, PresetName, SurefootConfig } from '@surefoot/core'
import type { Surefoot } from '@surefoot/protocol'
import { destination, pino } from 'pino'

import { createServer } from '../create-server.ts'
import type { SurefootServer } from '../create-server.ts'
import type { Environment } from './environment.ts'
import { reportError } from './report-error.ts'

/** The options of `surefoot serve`, as the command line gives them. */
export interface ServeOptions {
  readonly port: number
  readonly host: string
  readonly backend?: readonly string[] | undefined
  readonly model?: string | undefined
  readonly preset?: string | undefined
  readonly key?: readonly string[] | undefined
  readonly corsOrigin?: readonly string[] | undefined
  readonly logLevel?: string | undefined
}

/** Serves until the operator asks to end. Resolves with the exit status. */
export async function serve(options: ServeOptions, environment: Environment): Promise<number> {
  const { env } = environment
  try {
    const config = optionsToConfig(options)
    const { model, logLevel } = readConfig(config, env)
    // Standard output carries the one line that says it is ready; records go to standard error.
    const logger = pino({ level: logLevel }, destination(2))
    await using surefoot = createSurefoot(config, { logger, env })
    const server = await createServer({
      surefoot,
      port: options.port,
      host: options.host,
      keys: options.key ?? keysFromEnv(env['SUREFOOT_KEY']),
      corsOrigins: options.corsOrigin ?? [],
      logger,
    })
    const urls = (await surefoot.backends()).map((backend) => backend.url)
    const backends = `${urls.length} ${urls.length === 1 ? 'backend' : 'backends'}: ${urls.join(', ')}`
    environment.out(`Surefoot is ready on ${server.url} (${backends}, model ${model})`)
    const ended = new AbortController()
    const looked = warnIfNoneAnswers(surefoot, environment, ended.signal)
    try {
      await untilEnded(server, environment)
    } finally {
      ended.abort()
      await looked
    }
    return 0
  } catch (error) {
    reportError(error, environment)
    return 1
  }
}

/** A backend may come later, so that nothing waits for this look; but the operator should not learn it from a caller. */
async function warnIfNoneAnswers(surefoot: Surefoot, environment: Environment, signal: AbortSignal): Promise<void> {
  const report = await surefoot.health({ signal }).catch(() => undefined)
  if (report === undefined || report.backends.some((backend) => backend.reachable)) return
  const where = report.backends.map((backend) => backend.url).join(' or ')
  environment.err(
    `No Ollama answers at ${where} yet. Start it with \`ollama serve\`, Surefoot notices by itself; ` +
      'or correct --backend (OLLAMA_BASE_URL) and start again.',
  )
}

/** The first signal lets running answers end, the second one ends them. */
function untilEnded(server: SurefootServer, environment: Environment): Promise<void> {
  return new Promise((resolve, reject) => {
    let isEnding = false
    const unlisten = environment.onEnd(() => {
      if (isEnding) {
        void server.close({ drainMs: 0 })
        return
      }
      isEnding = true
      environment.err('Surefoot is closing: running answers may end, a second signal ends them at once.')
      server.close().then(resolve, reject).finally(unlisten)
    })
  })
}

function optionsToConfig(options: ServeOptions): SurefootConfig {
  return {
    ...(options.backend !== undefined && { backends: options.backend }),
    ...(options.model !== undefined && { model: options.model }),
    // The command line is checked where every other source is: by readConfig.
    ...(options.preset !== undefined && { preset: options.preset as PresetName }),
    ...(options.logLevel !== undefined && { logLevel: options.logLevel as LogLevel }),
  }
}

function keysFromEnv(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '')
}
