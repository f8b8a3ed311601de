import { readFileSync } from 'node:fs'

/** One exchange with a real Ollama, as written down in `recordings/`. */
export interface Recording {
  /** The request's bytes. */
  readonly request: string
  readonly requestBody: Record<string, unknown> | undefined
  /** Bytes on the wire, framing included. */
  readonly rawBytes: number
  readonly head: readonly string[]
  /** The body without framing. */
  readonly body: string
  /** Whether the middle of the body was left out of the file. */
  readonly isShortened: boolean
  /** How it ended, in words. */
  readonly end: string
  /** The last 300 bytes or fewer, framing included. */
  readonly tail: string
}

/** Reads a recording; the format is told in `recordings/README.md`. */
export function readRecording(path: string | URL): Recording {
  const text = readFileSync(path, 'utf8')
  const [before, after] = text.split(/<<< RESPONSE \(/) as [string, string]
  const request = (before.split('>>> REQUEST\n')[1] as string).slice(0, -1)
  const [requestHead, ...requestRest] = request.split('\n\n')
  const bodyText = requestRest.join('\n\n')
  const response = after.slice(after.indexOf('\n') + 1)
  const [answer, ending] = response.split('\n=== END: ') as [string, string]
  const [head, ...rest] = answer.split('\n\n')
  const body = rest.join('\n\n')
  const tail = /^--- last 300 raw bytes: (.*)$/m.exec(ending)?.[1] ?? ''
  return {
    request: `${(requestHead as string).trimEnd().replaceAll('\n', '\r\n')}\r\n\r\n${bodyText}`,
    requestBody: bodyText.startsWith('{"') && bodyText.endsWith('}') ? JSON.parse(bodyText) : undefined,
    rawBytes: Number(/^\d+/.exec(after)?.[0]),
    head: (head as string).split('\n').filter((line) => line !== ''),
    body,
    isShortened: /^\.\.\.\[\d+ chars\]\.\.\.$/m.test(body),
    end: ending.split('\n')[0] as string,
    tail: pythonBytesToText(tail),
  }
}

/** Undoes Python's way of writing bytes. */
function pythonBytesToText(literal: string): string {
  const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }
  const bytes = literal
    .slice(2, -1)
    .replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, character: string) =>
      hex === undefined ? (escapes[character] ?? character) : String.fromCharCode(Number.parseInt(hex, 16)),
    )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** Replaces what cannot be the same twice: dates, times, durations, ids, and lengths that depend on them. */
export function normalize(text: string): string {
  return text
    .replace(/^Date: \w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/gm, 'Date: <date>')
    .replace(/^Content-Length: \d+$/gm, 'Content-Length: <length>')
    .replace(/"(created_at|expires_at)":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z"/g, '"$1":"<time>"')
    .replace(/"((?:total|load|prompt_eval|eval)_duration)":\d+/g, '"$1":"<ns>"')
    .replace(/"id":"chatcmpl-\d{1,3}"/g, '"id":"<id>"')
    .replace(/"created":\d{10},"model"/g, '"created":"<time>","model"')
}

/** Puts a recorded body back into the frames in which the stand-in sent its own: as many events a frame. */
export function frameLike(body: string, frames: readonly string[]): string {
  const events = body.match(/data: [^\n]*\n\n|[^\n]*\n|[^\n]+$/g) ?? []
  let at = 0
  const framed = frames.map((frame) => {
    const count = (frame.match(/data: [^\n]*\n\n|[^\n]*\n|[^\n]+$/g) ?? []).length
    const piece = events.slice(at, (at += count)).join('')
    return `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`
  })
  return framed.join('')
}
