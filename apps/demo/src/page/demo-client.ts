import type { BreakMode, DemoInfo, ReliabilityEvent } from '../shared/demo-api.ts'

/** What the demo runs on. */
export async function readDemoInfo(signal: AbortSignal): Promise<DemoInfo> {
  const response = await fetch('/demo/info', { signal })
  return (await response.json()) as DemoInfo
}

/** Breaks something, or mends it. @throws an Error with the server's sentence */
export async function setBreakMode(mode: BreakMode): Promise<void> {
  await post('/demo/fault', { mode })
}

/** Runs the reliability test and hands over its events as they come. */
export async function requestReliabilityTest(
  onEvent: (event: ReliabilityEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch('/demo/reliability-test', { method: 'POST', signal })
  if (!response.ok || response.body === null) throw new Error(await sentenceOf(response))
  // Read by hand: Safari cannot walk a stream with `for await`.
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  try {
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const lines = (rest + value).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) onEvent(JSON.parse(line) as ReliabilityEvent)
    }
  } finally {
    reader.cancel().catch(() => undefined)
  }
}

/** Takes a backend out, or puts it back. @throws an Error with the server's sentence */
export async function setDraining(url: string, draining: boolean): Promise<void> {
  await post('/demo/drain', { url, draining })
}

async function post(path: string, body: object): Promise<void> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(await sentenceOf(response))
}

async function sentenceOf(response: Response): Promise<string> {
  const body = (await response.json().catch(() => ({}))) as { error?: unknown }
  return typeof body.error === 'string' ? body.error : `The demo answered with HTTP ${response.status}.`
}
