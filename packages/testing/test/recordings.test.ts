import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  createStandIn,
  faults,
  type OllamaVersion,
  type ScriptedAnswer,
  type StandIn,
  type StandInModel,
  type StandInOptions,
} from '../src/index.ts'
import { exchangeRaw, type RawAnswer } from './raw-exchange.ts'
import { frameLike, normalize, readRecording, type Recording } from './recording.ts'

const FOLDER = new URL('../recordings/', import.meta.url)
const PARENT =
  '/models/ollama/store/models/blobs/sha256-b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53'
const PLAIN = {
  size: 98_363_007,
  digest: '6315ff7f321302b1acb316795fde5e1766fb1a89514506e58ecb7bb0f8ae7fb6',
  capabilities: ['completion'],
}
const details = { parent_model: PARENT }

const AUTO: StandInModel = { name: 'auto', ...PLAIN, details, modifiedAt: '2026-11-23T03:04:38.612166665Z' }
const LLAMA: StandInModel = { name: 'llama3.2', details, modifiedAt: '2026-11-23T03:04:38.252810327Z' }
const CHATML: StandInModel = { name: 'plain-chatml', ...PLAIN, details, modifiedAt: '2026-11-23T03:04:38.426749385Z' }
const SMOLLM: StandInModel = { name: 'smollm2:135m', details, modifiedAt: '2026-11-23T03:04:37.743138396Z' }

/** What had been done to the real server, for the recordings that need more than a running one. */
const SCENES: Readonly<Record<string, Partial<StandInOptions> & { before?: (standIn: StandIn) => Promise<void> }>> = {
  'get-ps-empty': { loadMs: 1 },
  'get-ps-loaded': { loadMs: 1, before: (standIn) => load(standIn, 'llama3.2') },
  'get-ps-keepalive-minus1': { loadMs: 1, before: (standIn) => load(standIn, 'llama3.2', -1) },
  'ps-after': { loadMs: 1, before: (standIn) => load(standIn, 'smollm2:135m') },
  'request-during-load-0': { loadMs: 5 },
  'queue-overflow-503-cold': {
    loadMs: 10_000,
    maxQueue: 1,
    async before(standIn) {
      for (let waiting = 0; waiting < 2; waiting++) void load(standIn, 'smollm2:135m').catch(() => undefined)
      while (standIn.counts.openRequests < 2) await new Promise((resolve) => setTimeout(resolve, 1))
    },
  },
  'kill9-runner-midstream': { before: (standIn) => standIn.fault(faults.errorLine({ afterTokens: 5 })) },
  'kill9-runner-nonstream': { before: (standIn) => standIn.fault(faults.errorLine()) },
  'kill9-runner-v1-stream': { before: (standIn) => standIn.fault(faults.errorLine({ afterTokens: 3 })) },
  'kill9-server-midstream': { before: (standIn) => standIn.fault(faults.cut({ afterTokens: 4 })) },
  'kill9-server-nonstream': { before: (standIn) => standIn.fault(faults.cut()) },
  'prefill-jinja-stream': {
    models: [
      { ...AUTO, prefill: 'echo' },
      { ...SMOLLM, prefill: 'echo' },
    ],
  },
  'prefill-jinja-v1-stream': {
    models: [
      { ...AUTO, prefill: 'echo' },
      { ...SMOLLM, prefill: 'echo' },
    ],
  },
}

async function load(standIn: StandIn, model: string, keepAlive?: number): Promise<void> {
  const body = JSON.stringify({ model, messages: [], keep_alive: keepAlive })
  await fetch(`${standIn.url}/api/chat`, { method: 'POST', body })
}

/** Reads back from an answer what the model must have said. */
function scriptOf({ body, requestBody, isShortened }: Recording): ScriptedAnswer {
  if (isShortened) return { tokens: ['As', ' the', ' sun'] }
  const prefill = String((requestBody?.['messages'] as { content: string }[] | undefined)?.at(-1)?.content ?? '')
  const lines = body.split('\n').flatMap((line) => {
    const json = line.replace(/^data: /, '')
    return json.startsWith('{') ? [JSON.parse(json)] : []
  })
  const last = lines.findLast((line) => line.usage ?? line.eval_count) ?? {}
  const evalCount = last.eval_count ?? last.usage?.completion_tokens
  const texts: string[] = lines.map(
    (line) =>
      line.message?.content ?? line.response ?? (line.choices?.[0]?.delta ?? line.choices?.[0]?.message)?.content ?? '',
  )
  const isStream = lines.length > 1
  const spoken = texts.filter((text) => text !== '').map((text) => text.replace(prefill === '' ? '\0' : prefill, ''))
  const reason =
    last.done_reason ?? lines.findLast((line) => line.choices?.[0]?.finish_reason)?.choices[0].finish_reason
  // What was not streamed is one token, with silent ones up to the recorded count.
  const silent = isStream ? 0 : (evalCount ?? 1) - (reason === 'length' ? 1 : 2)
  return {
    tokens: [...spoken, ...Array.from({ length: silent }, () => '')],
    ...(evalCount === undefined ? {} : { evalCount }),
    promptTokens: last.prompt_eval_count ?? last.usage?.prompt_tokens ?? 0,
    ...(last.context === undefined ? {} : { context: last.context }),
  }
}

const versions: readonly OllamaVersion[] = ['0.32.15', '0.24.0']

describe.each(versions)('the stand-in as ollama %s', (version) => {
  const names = readdirSync(new URL(`${version}/`, FOLDER)).map((file) => file.replace('.txt', ''))

  it.each(names.filter((name) => name !== 'sigstop-runner-ps'))('answers byte for byte: %s', async (name) => {
    const recording = readRecording(new URL(`${version}/${name}.txt`, FOLDER))
    const { before, ...scene } = SCENES[name] ?? {}
    const models =
      version === '0.24.0' && name === 'get-tags' ? [CHATML, AUTO, LLAMA, SMOLLM] : [AUTO, LLAMA, CHATML, SMOLLM]
    await using standIn = await createStandIn({ version, models, answers: () => scriptOf(recording), ...scene })
    await before?.(standIn)

    const answer = await exchangeRaw(standIn.port, recording.request)

    expect(answer.error).toBe(undefined)
    expect(normalize(answer.head.join('\n'))).toBe(normalize(recording.head.join('\n')))
    const length = answer.head.find((line) => line.startsWith('Content-Length: '))
    const isCounted = length !== undefined && !recording.request.startsWith('HEAD')
    expect(length).toBe(isCounted ? `Content-Length: ${Buffer.byteLength(answer.body)}` : length)
    expect(answer.isChunked && !answer.isComplete).toBe(/no 0 chunk/.test(recording.end))
    const { actual, expected } = recording.isShortened ? endOf(recording, answer) : wholeOf(recording, answer)
    expect(actual).toEqual(expected)
  })
})

interface Comparison {
  readonly actual: unknown
  readonly expected: unknown
}

/** The body, and its framing: the recorded body in frames like the stand-in's must give the recorded bytes. */
function wholeOf(recording: Recording, answer: RawAnswer): Comparison {
  const { isChunked, isComplete, frames } = answer
  const head = recording.head.length === 0 ? '' : `${recording.head.join('\r\n')}\r\n\r\n`
  const framed = frameLike(recording.body, frames) + (isComplete ? '0\r\n\r\n' : '')
  const bytes = Buffer.from(head + (isChunked ? framed : recording.body))
  return {
    actual: { body: normalize(answer.body), byteCount: bytes.length, tail: bytes.subarray(-300).toString() },
    expected: { body: normalize(recording.body), byteCount: recording.rawBytes, tail: recording.tail },
  }
}

/** Of a recording whose middle is missing, the last frame and how it ends. */
function endOf(recording: Recording, answer: RawAnswer): Comparison {
  const end = `\r\n${normalize(answer.frames.at(-1) ?? '')}\r\n0\r\n\r\n`
  return { actual: end, expected: normalize(recording.tail).slice(-end.length) }
}

describe('a hanging runner', () => {
  it.each([
    { version: '0.32.15', answers: false },
    { version: '0.24.0', answers: true },
  ] as const)('leaves /api/ps of $version as recorded: answers $answers', async ({ version, answers }) => {
    const recording = readRecording(new URL(`${version}/sigstop-runner-ps.txt`, FOLDER))
    expect(recording.head[0]).toBe(answers ? 'HTTP/1.1 200 OK' : undefined)
    await using standIn = await createStandIn({ version })
    await standIn.fault(faults.stall({ afterTokens: 1 }))
    const stuck = await fetch(`${standIn.url}/api/generate`, {
      method: 'POST',
      body: '{"model":"llama3.2","prompt":"hi"}',
    })
    const reader = stuck.body?.getReader()
    await reader?.read()
    let hasAnswered = false
    const ps = fetch(`${standIn.url}/api/ps`).then(() => (hasAnswered = true))
    if (answers) await ps
    else await (await fetch(`${standIn.url}/api/tags`)).text()
    expect(hasAnswered).toBe(answers)
    await reader?.cancel()
    expect(await ps).toBe(true)
  })
})
