import type { HealthReport } from '@surefoot/protocol'

import type { Series } from './request-series.ts'
import { statisticsOf } from './statistics.ts'

const RULE = '='.repeat(60)

/** A duration for people: `0.42 s`. */
export function secondsOf(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

/** The head of one test. */
export function headingOf(title: string): string[] {
  return ['', RULE, title, RULE]
}

/** The guide's summary of a series of requests. */
export function seriesToSummary({ outcomes, totalMs }: Series, breakers: string): string[] {
  const total = outcomes.length
  const failed = outcomes.filter((outcome) => outcome.problem !== undefined).length
  const share = (part: number): string => `${part} (${total === 0 ? '0.0' : ((part / total) * 100).toFixed(1)}%)`
  const times = statisticsOf(outcomes.filter((one) => one.problem === undefined).map((one) => one.elapsedMs))
  return [
    '',
    '📊 Summary',
    `  Total requests: ${total}`,
    `  ✅ Successful:   ${share(total - failed)}`,
    `  ❌ Failed:       ${share(failed)}`,
    ...(times === undefined
      ? []
      : [
          '  Response times:',
          `    Average: ${secondsOf(times.averageMs)}`,
          `    Min:     ${secondsOf(times.minMs)}`,
          `    Max:     ${secondsOf(times.maxMs)}`,
          `    Std dev: ${secondsOf(times.deviationMs)}`,
        ]),
    `  Total time:     ${secondsOf(totalMs)}`,
    `  Throughput:     ${totalMs === 0 ? '0.00' : ((total - failed) / (totalMs / 1000)).toFixed(2)} requests/s`,
    `  Circuit breaker: ${breakers}`,
  ]
}

/** The state of every backend's breaker; one backend is not named. */
export function breakersOf({ backends }: HealthReport): string {
  if (backends.length === 1) return backends[0]?.breaker.state ?? 'unknown'
  return backends.map((backend) => `${backend.url} ${backend.breaker.state}`).join(', ')
}

/** What the health check found, one backend after the other. */
export function healthToLines(report: HealthReport): string[] {
  return report.backends.flatMap((backend) => [
    `${backend.reachable ? '✅' : '❌'} ${backend.url}`,
    ...(backend.reachable
      ? [
          `   Version: ${backend.version ?? 'unknown'}, latency: ${backend.latencyMs === undefined ? 'unknown' : `${backend.latencyMs.toFixed(1)} ms`}`,
          `   Model ${report.model}: ${installedOf(backend.modelInstalled)}${backend.modelInMemory === true ? ', in memory' : ''}`,
        ]
      : []),
    `   Circuit breaker: ${backend.breaker.state}`,
    ...(backend.problem === undefined ? [] : [`   ${backend.problem}`]),
  ])
}

/** What to do when no backend can answer. */
export function healthToAdvice({ model, backends }: HealthReport): string[] {
  const isReachable = backends.some((backend) => backend.reachable)
  const hasModel = backends.some((backend) => backend.modelInstalled === true)
  if (!isReachable) {
    const urls = backends.map((backend) => backend.url).join(', ')
    return [
      `Cannot connect to Ollama at ${urls}.`,
      'Start it with `ollama serve`, or set OLLAMA_BASE_URL to where it runs.',
    ]
  }
  if (!hasModel) return [`Model ${model} not found. Run: ollama pull ${model}`]
  return ['Circuit breaker is OPEN - service unavailable. Look at the log of Ollama.']
}

function installedOf(isInstalled: boolean | undefined): string {
  if (isInstalled === undefined) return 'unknown'
  return isInstalled ? 'installed' : 'not installed'
}
