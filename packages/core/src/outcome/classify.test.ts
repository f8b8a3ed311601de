import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { classify } from './classify.ts'
import type { Failure } from './failure.ts'
import type { Verdict } from './verdict.ts'

// Texts are those of a real Ollama: packages/testing/recordings and the issues that section 1 of the reliability
// reference names. One test a row of its tables; F numbers are theirs.

const BACKEND = 'http://gpu-a:11434'
const ATTEMPTED = { backend: BACKEND, model: 'llama3.2' }

/** The body of a recorded exchange. */
function recorded(name: string, version = '0.32.15'): { status: number; body: string } {
  const file = new URL(`../../../testing/recordings/${version}/${name}.txt`, import.meta.url)
  const answer = readFileSync(file, 'utf8')
    .split(/^<<< RESPONSE .*\n/m)[1]!
    .split(/\n=== END/)[0]!
  const [head, ...body] = answer.split('\n\n')
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head!)![1]), body: body.join('\n\n') }
}

function ofStatus(status: number, body: string, more: { elapsedMs?: number; retryAfterMs?: number } = {}): Verdict {
  return classify({ kind: 'status', status, body, elapsedMs: 5_000, ...more }, ATTEMPTED)
}

function ofText(status: number, text: string, more: { elapsedMs?: number; retryAfterMs?: number } = {}): Verdict {
  return ofStatus(status, JSON.stringify({ error: text }), more)
}

function ofRecording(name: string, version?: string): Verdict {
  const { status, body } = recorded(name, version)
  return ofStatus(status, body)
}

function ofNetwork(cause: unknown, more: { gotBytes?: boolean; gotToken?: boolean } = {}): Verdict {
  return classify({ kind: 'network', cause, gotBytes: false, gotToken: false, ...more }, ATTEMPTED)
}

function fault(code: string, message = code): Error {
  return Object.assign(new Error(message), { code })
}

/** What matters of a verdict, in one flat object. */
function summary(verdict: Verdict): Record<string, unknown> {
  const { class: failureClass, error, retry, prompt, sameAfterMs, avoidModelMs } = verdict
  return { class: failureClass, code: error.code, retry, prompt, sameAfterMs, avoidModelMs }
}

const NODE = { class: 'node', code: 'BACKEND_FAILED', retry: 'anywhere', prompt: true }
const OVERLOAD = { class: 'overload', code: 'OVERLOADED', retry: 'anywhere', prompt: false }
const CLIENT = { class: 'client', code: 'INVALID_REQUEST', retry: 'never' }
const MODEL = { class: 'model', code: 'MODEL_FAILED' }

describe('errors with a status, table 1.1', () => {
  it('F1: the busy text is overload: elsewhere at once, here only after a wait', () => {
    const verdict = ofRecording('queue-overflow-503-cold')
    expect(summary(verdict)).toMatchObject(OVERLOAD)
    expect(verdict.error.message).toBe(
      `Ollama at ${BACKEND} is busy: server busy, please try again. maximum pending requests exceeded`,
    )
  })

  it('F2: overload never shows as an error; what shows is silence, and it is retried elsewhere only', () => {
    const verdict = classify({ kind: 'silence', silentMs: 60_000, gotToken: false }, ATTEMPTED)
    expect(summary(verdict)).toMatchObject({ class: 'node', code: 'RESPONSE_TIMEOUT', retry: 'elsewhere' })
    expect(verdict.cheap).toBe(false)
    expect(verdict.error.message).toBe(`Ollama at ${BACKEND} sent nothing for 60 s and no first token.`)
  })

  it('F3: a wedged scheduler that says busy for ever stays overload, one answer at a time', () => {
    const verdict = ofText(503, 'server busy, please try again.  maximum pending requests exceeded', { elapsedMs: 2 })
    expect(summary(verdict)).toMatchObject(OVERLOAD)
    expect(verdict.cheap).toBe(true)
  })

  it.each([
    'timed out waiting for llama runner to start - progress 0.00 - ',
    'timed out waiting for llama-server to start - progress 0.40 - ',
  ])('F4: a stalled load is a fault of the model here, again after 4 s: %s', (text) => {
    expect(summary(ofText(500, text))).toMatchObject({
      ...MODEL,
      retry: 'anywhere',
      prompt: false,
      sameAfterMs: 4_000,
      avoidModelMs: 4_000,
    })
  })

  it('F5: an aborted load comes as 499; that nobody of us asked for it makes it a fault of the backend', () => {
    const text = 'client connection closed before llama-server finished loading, aborting load'
    expect(summary(ofText(499, text))).toMatchObject(NODE)
  })

  it.each([
    'llama runner process has terminated: exit status 2',
    'llama-server process has terminated: signal: killed',
    'llama runner process no longer running: 0xc0000409',
  ])('F6: a crash at load is the same every time: not here for 10 minutes, elsewhere yes: %s', (text) => {
    expect(summary(ofText(500, text))).toMatchObject({ ...MODEL, retry: 'elsewhere', avoidModelMs: 600_000 })
  })

  it('F7: a runner that stopped before the first token is reloaded by the next call', () => {
    const verdict = ofText(
      500,
      'model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details',
    )
    expect(summary(verdict)).toMatchObject({ ...NODE, sameAfterMs: undefined, avoidModelMs: undefined })
  })

  it('F8: EOF of the runner: retried anywhere; the address of the runner is not shown', () => {
    const verdict = ofText(500, 'POST predict: Post "http://127.0.0.1:39741/completion": EOF')
    expect(summary(verdict)).toMatchObject(NODE)
    expect(verdict.error.message).not.toContain('39741')
  })

  it('F8: so is the recorded text of a killed runner', () => {
    const verdict = ofRecording('kill9-runner-nonstream')
    expect(summary(verdict)).toMatchObject(NODE)
    expect(verdict.error.message).toBe(
      `Ollama at ${BACKEND} failed: an error was encountered while running the model: unexpected EOF`,
    )
  })

  it.each([
    'CUDA error: out of memory',
    'llama runner process has terminated: cudaMalloc failed: out of memory',
    'failed to allocate compute buffers',
    'ggml_backend_alloc: unable to allocate CUDA0 buffer',
    'insufficient memory to load the model',
  ])('F9: no memory while loading or running: here after 5 s, elsewhere at once: %s', (text) => {
    expect(summary(ofText(500, text))).toMatchObject({
      ...MODEL,
      retry: 'anywhere',
      prompt: false,
      sameAfterMs: 5_000,
      avoidModelMs: 5_000,
    })
  })

  it('F10: more memory than there is: only elsewhere', () => {
    const verdict = ofText(500, 'model requires more system memory (28.4 GiB) than is available (7.9 GiB)')
    expect(summary(verdict)).toMatchObject({ ...MODEL, retry: 'elsewhere' })
    expect(verdict.avoidModelMs).toBeGreaterThan(0)
    expect(verdict.error.message).toBe(
      `Ollama at ${BACKEND} cannot run llama3.2: model requires more system memory (28.4 GiB) than is available (7.9 GiB)`,
    )
  })

  it.each([
    ['unknown-model-chat-stream', '0.32.15'],
    ['unknown-model-chat-nonstream', '0.32.15'],
    ['unknown-model-chat-stream', '0.24.0'],
    ['v1-unknown-model', '0.32.15'],
  ])("F11: a model that is not pulled, in the guide's words: %s of %s", (name, version) => {
    const verdict = ofRecording(name, version)
    expect(summary(verdict)).toMatchObject({ class: 'missing', code: 'MODEL_NOT_FOUND', retry: 'elsewhere' })
    expect(verdict.error.message).toBe('Model llama3.2 not found. Run: ollama pull llama3.2')
    expect(verdict.error.backend).toBe(BACKEND)
  })

  it('F11: so is a model whose blob is missing', () => {
    const verdict = ofText(404, 'model "baddisk" not found, try pulling it first')
    expect(summary(verdict)).toMatchObject({ class: 'missing', code: 'MODEL_NOT_FOUND', retry: 'elsewhere' })
  })

  it('a 404 that is not about a model is another program on that port', () => {
    const verdict = ofRecording('unknown-route-post')
    expect(summary(verdict)).toMatchObject({ class: 'node', code: 'BAD_RESPONSE' })
    expect(verdict.error.message).toBe(`Ollama at ${BACKEND} answered with status 404, which Ollama does not.`)
  })

  it.each([
    ['malformed-json', '0.32.15', 'unexpected EOF'],
    ['wrong-type-model', '0.32.15', 'cannot unmarshal number'],
    ['empty-body', '0.32.15', 'missing request body'],
    ['no-model', '0.32.15', 'model is required'],
    ['keepalive-bad', '0.32.15', 'invalid duration'],
    ['think-true', '0.32.15', 'does not support thinking'],
    ['tools-unsupported-template', '0.32.15', 'does not support tools'],
    ['images-unsupported', '0.32.15', 'does not support multimodal requests'],
    ['format-bad-schema', '0.32.15', 'JSON schema conversion failed'],
  ])("F12: the caller's mistake is never asked again: %s of %s", (name, version, said) => {
    const verdict = ofRecording(name, version)
    expect(summary(verdict)).toMatchObject(CLIENT)
    expect(verdict.error.message).toMatch(/^Ollama refused the request: .*\.$/)
    expect(verdict.error.message).toContain(said)
  })

  it.each([
    ['wrong-type-option', '0.32.15'],
    ['format-bad-string', '0.32.15'],
    ['format-bad-string-stream', '0.32.15'],
    ['format-bad-schema', '0.24.0'],
  ])("a caller's mistake that Ollama answers with 500 is one all the same: %s of %s", (name, version) => {
    expect(recorded(name, version).status).toBe(500)
    expect(summary(ofRecording(name, version))).toMatchObject(CLIENT)
  })

  it.each([
    [
      'format-bad-schema',
      '0.32.15',
      'Ollama refused the request: Field \'json_schema\': "json_schema": JSON schema conversion failed.',
    ],
    [
      'format-bad-string',
      '0.32.15',
      'Ollama refused the request: invalid format; expected "json" or a valid JSON Schema object.',
    ],
  ])("what a refusal quotes of the request's format is not passed on: %s of %s", (name, version, message) => {
    expect(ofRecording(name, version).error.message).toBe(message)
  })

  it.each([
    'Assistant response prefill is incompatible with enable_thinking.',
    'Cannot have 2 or more assistant messages at the end of the list.',
  ])("F13: llama.cpp's rules for a last assistant message: %s", (message) => {
    const nested = JSON.stringify({ error: { code: 400, message, type: 'invalid_request_error' } })
    const verdict = ofText(400, nested)
    expect(summary(verdict)).toMatchObject(CLIENT)
    expect(verdict.error.message).toBe(`Ollama refused the request: ${message}`)
  })

  it.each([
    [401, '{"error":"unauthorized","signin_url":"https://ollama.com/connect?name=gpu&key=secret"}', 'UNAUTHORIZED'],
    [403, '{"error":"cloud models are disabled"}', 'FORBIDDEN'],
  ])('F14: a cloud model that asks for a sign-in or is switched off: %i', (status, body, code) => {
    const verdict = ofStatus(status, body)
    expect(summary(verdict)).toMatchObject({ class: 'client', code, retry: 'never' })
    expect(verdict.error.message).not.toContain('secret')
  })

  it('F14: an empty 403, for a foreign host name or origin, is said in words', () => {
    const verdict = ofRecording('host-header-evil')
    expect(summary(verdict)).toMatchObject({ class: 'client', code: 'FORBIDDEN', retry: 'never' })
    expect(verdict.error.message).toBe('Ollama refused the request: the backend refuses this host name or origin.')
  })

  it('F14: a cloud that cannot be reached is a failing backend', () => {
    expect(summary(ofText(502, 'cloud unreachable'))).toMatchObject(NODE)
  })

  it('F15: a cancel that was not ours is a fault of the backend', () => {
    expect(summary(ofText(499, 'request canceled'))).toMatchObject(NODE)
    expect(summary(ofText(500, 'context canceled'))).toMatchObject(NODE)
    expect(summary(ofStatus(408, ''))).toMatchObject(NODE)
  })

  it.each(['unexpected server status: llm busy - no slots available', 'no slots available after 10 retries'])(
    'F16: a race for slots inside Ollama is overload: %s',
    (text) => {
      expect(summary(ofText(500, text))).toMatchObject(OVERLOAD)
    },
  )

  it('F17: a body over the limit of what is in front is the mistake of the caller', () => {
    const verdict = ofStatus(413, '<html><h1>413 Request Entity Too Large</h1></html>')
    expect(summary(verdict)).toMatchObject({ class: 'client', code: 'PAYLOAD_TOO_LARGE', retry: 'never' })
  })
})

describe('the classifier of 1.5 and its additions', () => {
  it.each([405, 415, 422])("status %i is the caller's mistake", (status) => {
    expect(summary(ofStatus(status, ''))).toMatchObject(CLIENT)
  })

  it.each([429, 529])('status %i is overload', (status) => {
    expect(summary(ofStatus(status, ''))).toMatchObject(OVERLOAD)
  })

  it('Retry-After is handed on, for the same backend and to the caller', () => {
    const verdict = ofText(429, 'too many requests', { retryAfterMs: 7_000 })
    expect(summary(verdict)).toMatchObject({ ...OVERLOAD, sameAfterMs: 7_000 })
    expect(verdict.error.retryAfterMs).toBe(7_000)
  })

  it.each([
    '{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}',
    '{"error":"unexpected server status: llm server loading model"}',
  ])('a 503 of a model that is being loaded is nobody’s fault: %s', (body) => {
    expect(summary(ofStatus(503, body))).toMatchObject({ class: 'loading', code: 'OVERLOADED', prompt: false })
  })

  it('words about loading in a 500 are no sign of a load in progress', () => {
    expect(summary(ofText(500, 'error loading model: unknown model architecture: "mamba9"'))).toMatchObject(MODEL)
  })

  it('503 with Retry-After is overload, whatever it says', () => {
    const verdict = ofText(503, 'upstream: unexpected EOF', { retryAfterMs: 2_000 })
    expect(summary(verdict)).toMatchObject({ ...OVERLOAD, sameAfterMs: 2_000 })
  })

  it.each([500, 502, 503, 504])('a bare %i is a fault of the backend', (status) => {
    const verdict = ofStatus(status, '')
    expect(summary(verdict)).toMatchObject(NODE)
    expect(verdict.error.message).toBe(`Ollama at ${BACKEND} answered with status ${status}.`)
  })

  it('a page of a proxy is not quoted', () => {
    const verdict = ofStatus(502, '<html><body>nginx</body></html>')
    expect(verdict.error.message).toBe(`Ollama at ${BACKEND} answered with status 502.`)
  })

  it('an unknown text is quoted once, with one full stop', () => {
    expect(ofText(500, 'something new happened.').error.message).toBe(
      `Ollama at ${BACKEND} answered with status 500: something new happened.`,
    )
  })

  it.each([
    'unknown model architecture: "mamba9"',
    'unsupported quantization',
    'invalid file magic',
    'tensor "blk.7.ffn_up.weight" offset+size (49600576) exceeds file size (49181216)',
    'done_getting_tensors: wrong number of tensors; expected 291, got 290',
    'GGUF string length 18374686479671623682 exceeds maximum 9223372036854775807',
    'supplied file was not in GGUF format',
  ])('a damaged or unknown file is a fault of the model on this backend: %s', (text) => {
    expect(summary(ofText(500, text))).toMatchObject({ ...MODEL, retry: 'elsewhere', avoidModelMs: 600_000 })
  })

  it.each(['read: connection reset by peer', 'wsarecv: An existing connection was forcibly closed by the remote host'])(
    'a broken connection inside the backend is its fault: %s',
    (text) => {
      expect(summary(ofText(500, text))).toMatchObject(NODE)
    },
  )

  it('a prompt over the context window says both sizes (0.32.15)', () => {
    const message = 'request (12031 tokens) exceeds the available context size (4096 tokens), try increasing it'
    const verdict = ofText(
      400,
      JSON.stringify({
        error: { code: 400, message, type: 'exceed_context_size_error', n_prompt_tokens: 12031, n_ctx: 4096 },
      }),
    )
    expect(summary(verdict)).toMatchObject({ class: 'client', code: 'CONTEXT_OVERFLOW', retry: 'never' })
    expect(verdict.error).toMatchObject({
      message: 'The prompt is longer than the context of llama3.2 (12031 tokens, room for 4096).',
      neededTokens: 12_031,
      availableTokens: 4_096,
      backend: BACKEND,
    })
  })

  it('a prompt over the context window without sizes (0.24.0)', () => {
    const verdict = ofText(400, 'the input length exceeds the context length')
    expect(summary(verdict)).toMatchObject({ class: 'client', code: 'CONTEXT_OVERFLOW', retry: 'never' })
    expect(verdict.error).toMatchObject({ message: 'The prompt is longer than the context of llama3.2.' })
    expect(verdict.error.neededTokens).toBeUndefined()
  })

  it('a status that Ollama does not know is a wrong address', () => {
    expect(summary(ofStatus(302, ''))).toMatchObject({ class: 'node', code: 'BAD_RESPONSE' })
    expect(summary(ofStatus(418, ''))).toMatchObject({ class: 'node', code: 'BAD_RESPONSE' })
  })
})

describe('what a failure cost', () => {
  it.each([429, 500, 502, 503, 504])('status %i within 250 ms cost the backend nothing', (status) => {
    expect(ofStatus(status, '', { elapsedMs: 250 }).cheap).toBe(true)
    expect(ofStatus(status, '', { elapsedMs: 251 }).cheap).toBe(false)
  })

  it('refused and reset before a byte cost nothing; a break in the middle does', () => {
    expect(ofNetwork(fault('ECONNREFUSED')).cheap).toBe(true)
    expect(ofNetwork(fault('ECONNRESET')).cheap).toBe(true)
    expect(ofNetwork(fault('ECONNRESET'), { gotBytes: true }).cheap).toBe(false)
    expect(ofNetwork(fault('ECONNRESET'), { gotBytes: true, gotToken: true }).cheap).toBe(false)
  })
})

describe('after the first byte, table 1.2', () => {
  const errorLine = (text: string, gotToken: boolean): Verdict =>
    classify({ kind: 'error-line', text, gotToken, elapsedMs: 5_000 }, ATTEMPTED)

  it('F18: an error line in the middle breaks the stream, with what it said', () => {
    const lines = recorded('kill9-runner-midstream').body.trim().split('\n')
    const { error } = JSON.parse(lines.at(-1)!) as { error: string }
    const verdict = errorLine(error, true)
    expect(summary(verdict)).toMatchObject({ class: 'stream', code: 'STREAM_INTERRUPTED', retry: 'anywhere' })
    expect(verdict.error.message).toBe(
      `Ollama at ${BACKEND} broke off its answer: an error was encountered while running the model: unexpected EOF.`,
    )
    expect(verdict.cheap).toBe(false)
  })

  it('F18: its words are judged as before the first byte: no memory means 5 s without this model here', () => {
    expect(summary(errorLine('CUDA error: out of memory', true))).toMatchObject({
      class: 'stream',
      code: 'STREAM_INTERRUPTED',
      retry: 'anywhere',
      prompt: false,
      sameAfterMs: 5_000,
      avoidModelMs: 5_000,
    })
  })

  it('F18: an error line before any token is judged by its words', () => {
    expect(summary(errorLine('unexpected EOF', false))).toMatchObject(NODE)
    expect(
      summary(errorLine('model requires more system memory (9 GiB) than is available (1 GiB)', false)),
    ).toMatchObject(MODEL)
    expect(summary(errorLine('words never seen before', false))).toMatchObject(NODE)
  })

  it('F19, F20: an end without the mark is a broken stream, never a short answer', () => {
    const verdict = classify({ kind: 'no-end-mark', gotToken: true }, ATTEMPTED)
    expect(summary(verdict)).toMatchObject({ class: 'stream', code: 'STREAM_INTERRUPTED', retry: 'anywhere' })
    expect(verdict.error.message).toBe(`Ollama at ${BACKEND} ended its answer without the end mark.`)
    expect(verdict.cheap).toBe(false)
  })

  it('F19: the same before any token is held against the backend', () => {
    const verdict = classify({ kind: 'no-end-mark', gotToken: false }, ATTEMPTED)
    expect(summary(verdict)).toMatchObject({ class: 'node', code: 'STREAM_INTERRUPTED', retry: 'anywhere' })
  })

  it('F23: silence in the middle: elsewhere only, as its work may still be running', () => {
    const verdict = classify({ kind: 'silence', silentMs: 180_400, gotToken: true }, ATTEMPTED)
    expect(summary(verdict)).toMatchObject({ class: 'stream', code: 'RESPONSE_TIMEOUT', retry: 'elsewhere' })
    expect(verdict.error.message).toBe(`Ollama at ${BACKEND} sent nothing for 180 s in the middle of its answer.`)
  })

  it('F24: a cut connection in the middle', () => {
    const verdict = ofNetwork(fault('UND_ERR_SOCKET', 'other side closed'), { gotBytes: true, gotToken: true })
    expect(summary(verdict)).toMatchObject({ class: 'stream', code: 'STREAM_INTERRUPTED', retry: 'anywhere' })
    expect(verdict.error.message).toBe(`The connection to Ollama at ${BACKEND} broke in the middle of the answer.`)
    expect(verdict.staleSockets).toBe(true)
  })

  it('F25: a bad line in the middle is never skipped', () => {
    const verdict = classify({ kind: 'bad-line', gotToken: true }, ATTEMPTED)
    expect(summary(verdict)).toMatchObject({ class: 'stream', code: 'STREAM_INTERRUPTED', retry: 'anywhere' })
  })

  it('F25: a bad first line is another program', () => {
    const verdict = classify({ kind: 'bad-line', gotToken: false }, ATTEMPTED)
    expect(summary(verdict)).toMatchObject({ class: 'node', code: 'BAD_RESPONSE' })
    expect(verdict.error.message).toBe(`Ollama at ${BACKEND} sent something that is not Ollama's protocol.`)
  })
})

describe('the connection, table 1.4', () => {
  it("F34: a refused connection, in the guide's words, with what to do", () => {
    const verdict = ofNetwork(fault('ECONNREFUSED'))
    expect(summary(verdict)).toMatchObject({
      class: 'connect',
      code: 'CANNOT_CONNECT',
      retry: 'anywhere',
      prompt: true,
    })
    expect(verdict.error.message).toBe(`Cannot connect to Ollama at ${BACKEND}`)
    expect(verdict.error.hint).toContain('ollama serve')
    expect(verdict.error.hint).toContain('OLLAMA_BASE_URL')
    expect(verdict.staleSockets).not.toBe(true)
  })

  it('F34: refused on every address of the name, as Node reports it', () => {
    const all = Object.assign(new AggregateError([fault('ECONNREFUSED'), fault('ECONNREFUSED')]), { code: undefined })
    expect(ofNetwork(all).error.message).toBe(`Cannot connect to Ollama at ${BACKEND}`)
  })

  it.each(['ENOTFOUND', 'EAI_AGAIN'])('a host name that is not known says so: %s', (code) => {
    const verdict = ofNetwork(new TypeError('fetch failed', { cause: fault(code) }))
    expect(verdict.error.message).toBe(`Cannot connect to Ollama at ${BACKEND}`)
    expect(verdict.error.hint).toContain('host name')
  })

  it.each(['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'])('nothing was sent: %s', (code) => {
    expect(summary(ofNetwork(fault(code)))).toMatchObject({ class: 'connect', code: 'CANNOT_CONNECT' })
    expect(ofNetwork(fault(code)).error.message).toBe(`Cannot connect to Ollama at ${BACKEND}`)
  })

  it('a certificate that is not trusted says so', () => {
    const verdict = ofNetwork(fault('DEPTH_ZERO_SELF_SIGNED_CERT'))
    expect(verdict.error.code).toBe('CANNOT_CONNECT')
    expect(verdict.error.hint).toContain('certificate')
  })

  it.each(['ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE'])(
    'F36: a reused socket that died asks for a fresh one: %s',
    (code) => {
      const verdict = ofNetwork(fault(code))
      expect(summary(verdict)).toMatchObject({
        class: 'connect',
        code: 'CANNOT_CONNECT',
        retry: 'anywhere',
        prompt: true,
      })
      expect(verdict.staleSockets).toBe(true)
      expect(verdict.sameAfterMs).toBeUndefined()
      expect(verdict.error.message).toBe(
        `Cannot connect to Ollama at ${BACKEND}: the connection was closed before an answer came`,
      )
    },
  )

  it.each(['HPE_INVALID_CONSTANT', 'UND_ERR_HEADERS_OVERFLOW', 'ERR_SSL_WRONG_VERSION_NUMBER'])(
    'what does not speak HTTP is a wrong address: %s',
    (code) => {
      const verdict = ofNetwork(fault(code))
      expect(summary(verdict)).toMatchObject({ class: 'node', code: 'BAD_RESPONSE' })
      expect(verdict.error.message).toBe(`What answers at ${BACKEND} does not speak HTTP.`)
    },
  )
})

describe('what a message never holds', () => {
  const everything = (verdict: Verdict): string =>
    `${verdict.error.message} ${verdict.error.hint} ${JSON.stringify(verdict.error)}`

  it.each([
    'open /root/.ollama/models/blobs/sha256-abc: no such file or directory',
    'error loading model:/models/ollama/store/models/blobs/sha256-abc unexpected EOF',
    'cannot read [/models/ollama/store/models/blobs/sha256-abc], out of memory',
    'cannot read `/models/ollama/blobs/sha256-abc`: tensor broken',
    'open C:\\Users\\Jane Doe\\.ollama\\models\\blobs\\sha256-abc: The system cannot find the file',
    'open \\\\nas\\share\\models\\sha256-abc: access denied',
  ])('a path of the disk: %s', (text) => {
    for (const status of [400, 500]) {
      expect(everything(ofText(status, text))).not.toMatch(/sha256-abc|ollama[/\\]|blobs|Jane|Doe|nas/)
    }
  })

  it('an address with a password', () => {
    const said = everything(ofText(500, 'dial http://user:hunter2@10.0.0.7:8080/v1: connection reset'))
    expect(said).not.toMatch(/hunter2|10\.0\.0\.7/)
  })

  it('a name of a model with a registry in front is no path', () => {
    expect(ofRecording('tools-unsupported-template').error.message).toBe(
      'Ollama refused the request: registry.ollama.ai/library/plain-chatml:latest does not support tools.',
    )
  })

  it('more than a sentence of what came back', () => {
    const long = 'x'.repeat(4_000)
    for (const failure of [
      { kind: 'status', status: 500, body: long, elapsedMs: 1 },
      { kind: 'status', status: 400, body: JSON.stringify({ error: long }), elapsedMs: 1 },
      { kind: 'error-line', text: long, gotToken: true, elapsedMs: 1 },
    ] satisfies Failure[]) {
      expect(classify(failure, ATTEMPTED).error.message.length).toBeLessThan(400)
    }
  })

  it('several lines', () => {
    expect(ofText(500, 'first\nsecond\r\n\tthird').error.message).toBe(
      `Ollama at ${BACKEND} answered with status 500: first second third.`,
    )
  })
})
