import { testBreaker } from './check/breaker-test.ts'
import { createLocalTarget } from './check/local-target.ts'
import { createRemoteTarget } from './check/remote-target.ts'
import { runSeries } from './check/request-series.ts'
import type { Series } from './check/request-series.ts'
import type { Target } from './check/target.ts'
import { breakersOf, headingOf, healthToAdvice, healthToLines, seriesToSummary } from './check/summary.ts'
import type { Environment } from './environment.ts'
import { reportError } from './report-error.ts'

/** The options of `surefoot check`, as the command line gives them. */
export interface CheckOptions {
  readonly url?: string | undefined
  readonly key?: string | undefined
  /** Requests one after the other. */
  readonly sequential: number
  /** Requests all at once. */
  readonly concurrent: number
}

/** What a shell reports for a command ended by Ctrl-C. */
const INTERRUPTED = 130

/** The guide's test script. Resolves with the exit status: 0 only when every test passed. */
export async function check(options: CheckOptions, environment: Environment): Promise<number> {
  const interrupt = new AbortController()
  const unlisten = environment.onEnd(() => interrupt.abort(new DOMException('Interrupted', 'AbortError')))
  try {
    await using target = targetOf(options, environment)
    return await runTests(target, options, environment, interrupt.signal)
  } catch (error) {
    if (interrupt.signal.aborted) {
      environment.err('Interrupted.')
      return INTERRUPTED
    }
    reportError(error, environment)
    return 1
  } finally {
    unlisten()
  }
}

async function runTests(
  target: Target,
  options: CheckOptions,
  { out, err }: Environment,
  signal: AbortSignal,
): Promise<number> {
  const print = (lines: readonly string[]): void => lines.forEach((line) => out(line))
  out(`Checking ${target.name}.`)

  print(headingOf('TEST 1: Health'))
  const report = await target.health(signal)
  print(healthToLines(report))
  if (report.status === 'down') {
    healthToAdvice(report).forEach((line, index) => err(index === 0 ? `❌ ${line}` : `   ${line}`))
    return 1
  }

  const failures: string[] = []
  const series = async (name: string, count: number, concurrency: number): Promise<void> => {
    const result = await runSeries(target, { count, concurrency }, out, signal)
    print(seriesToSummary(result, breakersOf(await target.health(signal))))
    failures.push(...failuresOf(name, result))
  }
  print(headingOf(`TEST 2: ${options.sequential} requests, one after the other`))
  await series('Sequential', options.sequential, 1)
  print(headingOf(`TEST 3: ${options.concurrent} requests at once`))
  await series('Concurrent', options.concurrent, options.concurrent)

  print(headingOf('TEST 4: Circuit breaker recovery'))
  const problem = await testBreaker(out, signal)
  if (problem !== undefined) failures.push(`Circuit breaker: ${problem}`)

  print(failures.length === 0 ? PASSED : ['', '⚠️ SOME TESTS FAILED', ...failures.map((failure) => `❌ ${failure}`)])
  return failures.length === 0 ? 0 : 1
}

/** The guide's last words. */
const PASSED = [
  '',
  '🎉 ALL TESTS PASSED!',
  'The Ollama client is working reliably with:',
  '✅ Connection pooling',
  '✅ Retry logic',
  '✅ Circuit breaker pattern',
  '✅ Concurrent request handling',
]

/** Each kind of failure once, with how often and what to do. */
function failuresOf(name: string, { outcomes }: Series): string[] {
  const counts = new Map<string, number>()
  for (const { problem } of outcomes) {
    if (problem === undefined) continue
    const text = `${problem.message.replace(/[.!]$/, '')}. ${problem.hint}`
    counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  return [...counts].map(([text, count]) => `${name}: ${count} of ${outcomes.length} failed. ${text}`)
}

function targetOf({ url, key }: CheckOptions, { env }: Environment): Target {
  return url === undefined ? createLocalTarget(env) : createRemoteTarget(url, key ?? env['SUREFOOT_KEY'])
}
