import { Command, InvalidArgumentError } from 'commander'

import { version } from '../version.ts'
import { check } from './check.ts'
import type { CheckOptions } from './check.ts'
import { serve } from './serve.ts'
import type { ServeOptions } from './serve.ts'
import type { Environment } from './environment.ts'

/** The command line `surefoot`: `serve` and `check`. Every command resolves with its exit status. */
export function createProgram(environment: Environment, exit: (status: number) => void): Command {
  const program = new Command('surefoot')
    .description('Reliable chat with local Ollama models')
    .version(version)
    .showHelpAfterError('Run `surefoot --help` for the options.')
  program
    .command('serve')
    .description('Serve the typed procedures and the Ollama-compatible API')
    .option('-p, --port <number>', 'port to listen on; 0 takes a free one', toPort, 8000)
    .option('--host <address>', 'address to bind to; off loopback only with a key', '127.0.0.1')
    .option('--backend <url>', 'an Ollama; may be repeated (default: OLLAMA_BASE_URL)', collect)
    .option('--model <name>', 'default model (default: OLLAMA_MODEL, then llama3.2)')
    .option('--preset <name>', 'development, production or guide')
    .option('--key <secret>', 'key that callers must send; may be repeated (default: SUREFOOT_KEY)', collect)
    .option('--cors-origin <origin>', 'origin of a page that may call from elsewhere; may be repeated', collect)
    .option('--log-level <level>', 'silent, error, warn, info, debug or trace (default: LOG_LEVEL)')
    .addHelpText('after', SERVE_EXAMPLES)
    .action(async (options: ServeOptions) => exit(await serve(options, environment)))
  program
    .command('check')
    .description("The guide's test: health, 10 requests in a row, 20 at once, breaker recovery on a stand-in")
    .option('--url <url>', 'a Surefoot server (default: a Surefoot in this process, configured by the environment)')
    .option('--key <secret>', "the server's key (default: SUREFOOT_KEY)")
    .option('--sequential <number>', 'requests one after the other', toCount, 10)
    .option('--concurrent <number>', 'requests at once', toCount, 20)
    .addHelpText('after', CHECK_EXAMPLES)
    .action(async (options: CheckOptions) => exit(await check(options, environment)))
  return program
}

const SERVE_EXAMPLES = `
Environment variables (all of them: docs/reference/configuration.md):
  OLLAMA_TIMEOUT, OLLAMA_MAX_RETRIES, OLLAMA_NUM_PARALLEL and the others of the guide
  SUREFOOT_DEGRADE_MODELS, SUREFOOT_DEGRADE_TO_CACHE, SUREFOOT_LOCAL_MODEL, SUREFOOT_FALLBACK_MESSAGE
                                          what answers when the model cannot
  SUREFOOT_CACHE, SUREFOOT_REDIS_URL      the same question is answered once
  SUREFOOT_EXPERIMENTS                    models compared on live calls, as JSON

Examples:
  $ surefoot serve
  $ surefoot serve --backend http://gpu-a:11434 --backend http://gpu-b:11434 --model llama3.2
  $ SUREFOOT_KEY=secret surefoot serve --host 0.0.0.0 --cors-origin https://app.example
  $ OLLAMA_HOST=127.0.0.1:8000 ollama list`

const CHECK_EXAMPLES = `
Examples:
  $ surefoot check
  $ OLLAMA_BASE_URL=http://gpu-a:11434 OLLAMA_MODEL=smollm2:135m surefoot check
  $ surefoot check --url http://127.0.0.1:8000

Exit status: 0 when every test passed, 1 when one failed, 130 after Ctrl-C.`

function toCount(value: string): number {
  const count = toWhole(value)
  if (!(count >= 1 && count <= 10_000)) {
    throw new InvalidArgumentError('It must be a number from 1 to 10000.')
  }
  return count
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

function toPort(value: string): number {
  const port = toWhole(value)
  if (!(port <= 65_535)) throw new InvalidArgumentError('It must be a number from 0 to 65535.')
  return port
}

/** Digits and nothing else: `Number` also takes nothing at all, `1e3` and `0x1F90`. */
function toWhole(value: string): number {
  return /^\d+$/.test(value) ? Number(value) : Number.NaN
}
