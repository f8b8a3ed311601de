import { SurefootError } from '@surefoot/protocol'
import { expect, test } from 'vitest'

import { runSeries } from './request-series.ts'
import type { Target } from './target.ts'
import { seriesToSummary } from './summary.ts'

function targetOf(ask: Target['ask']): Target {
  return { name: 'a test', ask, health: () => Promise.reject(new Error('not asked')), async [Symbol.asyncDispose]() {} }
}

const signal = new AbortController().signal

test('asks the guide’s questions in turn, and prints one line for each as it ends', async () => {
  const asked: string[] = []
  const lines: string[] = []
  const target = targetOf(async (question) => {
    asked.push(question)
    if (asked.length === 2) throw new SurefootError({ code: 'OVERLOADED', message: 'Busy' })
    return 'Water is a clear liquid\nthat every living thing needs to stay alive.'
  })
  const series = await runSeries(target, { count: 6, concurrency: 1 }, (line) => lines.push(line), signal)
  expect(asked).toEqual([
    'What is water?',
    'Explain photosynthesis simply.',
    'What is gravity?',
    'How do plants grow?',
    'What is the solar system?',
    'What is water?',
  ])
  expect(lines[0]).toMatch(/^\[1\/6\] ok \d+\.\d\d s "Water is a clear liquid that every living thing…"$/)
  expect(lines[1]).toMatch(/^\[2\/6\] failed \d+\.\d\d s Busy$/)
  expect(series.outcomes.map((outcome) => outcome.problem?.message)).toEqual([
    undefined,
    'Busy',
    ...Array<undefined>(4),
  ])
})

test('asks as many at once as it should', async () => {
  let running = 0
  let most = 0
  const target = targetOf(async () => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    return 'ok'
  })
  await runSeries(target, { count: 20, concurrency: 20 }, () => {}, signal)
  expect(most).toBe(20)
})

test('ends when it is aborted', async () => {
  const abort = new AbortController()
  const target = targetOf(async () => {
    abort.abort()
    throw new Error('cut')
  })
  const series = runSeries(target, { count: 3, concurrency: 1 }, () => {}, abort.signal)
  await expect(series).rejects.toMatchObject({ name: 'AbortError' })
})

test('the summary has the guide’s figures', () => {
  const problem = { message: 'Busy', hint: 'Wait.' }
  const outcomes = [{ elapsedMs: 1_000 }, { elapsedMs: 3_000 }, { elapsedMs: 9_000, problem }, { elapsedMs: 2_000 }]
  expect(seriesToSummary({ outcomes, totalMs: 6_000 }, 'closed')).toEqual([
    '',
    '📊 Summary',
    '  Total requests: 4',
    '  ✅ Successful:   3 (75.0%)',
    '  ❌ Failed:       1 (25.0%)',
    '  Response times:',
    '    Average: 2.00 s',
    '    Min:     1.00 s',
    '    Max:     3.00 s',
    '    Std dev: 1.00 s',
    '  Total time:     6.00 s',
    '  Throughput:     0.50 requests/s',
    '  Circuit breaker: closed',
  ])
})
