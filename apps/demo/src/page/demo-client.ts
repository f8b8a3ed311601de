import type { BreakMode, DemoInfo, ReliabilityEvent } from '../shared/demo-api.ts'

/** What the demo runs on. */
export async function readDemoInfo(signal: AbortSignal): Promise<DemoInfo> {
  const response = await fetch('/demo/info', { signal })
  return (await response.json()) as DemoInfo
}

/** Breaks something, or mends it. @throws an Error with the server's sentence */
export async function setBreakMode(mode: BreakMode): Promise<void> {
  const response = await fetch('/demo/fault', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ mode }),
  })
  if (!response.ok) throw new Error(await sentenceOf(response))
}

/** Runs the reliability test and hands over its events as they come. */
export async function requestReliabilityTest(
  onEvent: (event: ReliabilityEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch('/demo/reliability-test', { method: 'POST', signal })
  if (!response.ok || response.body === null) throw new Error(await sentenceOf(response))
  let rest = ''
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onEvent(JSON.parse(line) as ReliabilityEvent)
  }
}

async function sentenceOf(response: Response): Promise<string> {
  const body = (await response.json().catch(() => ({}))) as { error?: unknown }
  return typeof body.error === 'string' ? body.error : `The demo answered with HTTP ${response.status}.`
}
