import type { AtToken, Fault, FaultSelector } from './fault.ts'

/** What Ollama says when its runner process died (ollama 0.24.0 and 0.32.15). */
export const RUNNER_DIED_TEXT = 'an error was encountered while running the model: unexpected EOF'

/** What Ollama says when too many requests wait for a load (ollama 0.24.0 and 0.32.15); the two spaces are its own. */
export const SERVER_BUSY_TEXT = 'server busy, please try again.  maximum pending requests exceeded'

/** One named constructor per fault; each takes the selector's fields beside its own. */
export const faults = {
  /** The port is closed: ECONNREFUSED. */
  refuse: (options: FaultSelector & { forMs?: number } = {}): Fault => ({ kind: 'refuse', ...options }),
  /** RST as soon as the head of the request is here. */
  resetBeforeHeaders: (options: FaultSelector = {}): Fault => ({ kind: 'reset-before-headers', ...options }),
  /** RST for a request on a connection that has served another before: the keep-alive race. */
  resetReused: (options: FaultSelector = {}): Fault => ({ kind: 'reset-reused', ...options }),
  /** RST after some bytes of the body. */
  resetAtByte: (atByte: number, options: FaultSelector = {}): Fault => ({ kind: 'reset-at-byte', atByte, ...options }),
  /** FIN without the last chunk, as when the server is killed. */
  cut: (options: FaultSelector & AtToken = {}): Fault => ({ kind: 'cut-at-token', ...options }),
  /** Accepts and never answers. */
  hang: (options: FaultSelector = {}): Fault => ({ kind: 'hang', ...options }),
  /** Some tokens, then silence: a runner that hangs. */
  stall: (options: FaultSelector & AtToken = {}): Fault => ({ kind: 'stall-at-token', ...options }),
  /** Some tokens, then an error line and a proper end: a runner that died. */
  errorLine: (options: FaultSelector & AtToken & { text?: string } = {}): Fault => ({ kind: 'error-line', ...options }),
  /** A proper end without the line that says done. */
  noDone: (options: FaultSelector & AtToken = {}): Fault => ({ kind: 'no-done', ...options }),
  /** Any status; `message` is wrapped as the route wraps errors, `body` is sent as it is. */
  status: (
    status: number,
    options: FaultSelector & { message?: string; body?: string; headers?: Readonly<Record<string, string>> } = {},
  ): Fault => ({ kind: 'status', status, ...options }),
  /** 500 with the text of a died runner. */
  internal: (options: FaultSelector = {}): Fault => ({
    kind: 'status',
    status: 500,
    message: RUNNER_DIED_TEXT,
    ...options,
  }),
  /** 503 with Ollama's text for a full load queue. */
  busy: (options: FaultSelector = {}): Fault => ({
    kind: 'status',
    status: 503,
    message: SERVER_BUSY_TEXT,
    ...options,
  }),
  /** 503 as plain text, from something in front of Ollama. */
  unavailable: (options: FaultSelector = {}): Fault => ({
    kind: 'status',
    status: 503,
    body: 'Service Unavailable',
    headers: { 'Content-Type': 'text/plain' },
    ...options,
  }),
  /** 429 with Retry-After in whole seconds. */
  tooMany: (retryAfterSeconds: number, options: FaultSelector = {}): Fault => ({
    kind: 'status',
    status: 429,
    message: 'too many requests',
    headers: { 'Retry-After': String(retryAfterSeconds) },
    ...options,
  }),
  /** 502 with the page of a proxy. */
  badGateway: (options: FaultSelector = {}): Fault => ({
    kind: 'status',
    status: 502,
    body: '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n',
    headers: { 'Content-Type': 'text/html' },
    ...options,
  }),
  /** 200 with lines that are not JSON. */
  garbage: (options: FaultSelector & { atLine?: number; text?: string } = {}): Fault => ({
    kind: 'garbage',
    ...options,
  }),
  /** Bytes that are not HTTP. */
  notHttp: (options: FaultSelector & { text?: string } = {}): Fault => ({ kind: 'not-http', ...options }),
  /** All times multiplied. */
  slow: (factor: number, options: FaultSelector = {}): Fault => ({ kind: 'slow', factor, ...options }),
  /** The body in tiny pieces, which split lines and characters. */
  drip: (options: FaultSelector & { pieceBytes?: number; everyMs?: number } = {}): Fault => ({
    kind: 'drip',
    ...options,
  }),
  /** A whole answer that says `done: false`. */
  doneFalse: (options: FaultSelector = {}): Fault => ({ kind: 'done-false', ...options }),
}
