/**
 * What the caller can do about an error.
 *
 * - `fix`: the request is wrong; asking again unchanged fails again.
 * - `wait`: nothing is broken, there is just no room now; ask again later.
 * - `elsewhere`: the backend or the way to it failed; another one may answer.
 * - `give-up`: the time is over or the fault is ours; show it to a person.
 */
export type ErrorGroup = 'fix' | 'wait' | 'elsewhere' | 'give-up'

/** The name of an error, the same on every surface. */
export type ErrorCode =
  | 'INVALID_REQUEST'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'MODEL_NOT_FOUND'
  | 'PAYLOAD_TOO_LARGE'
  | 'CONTEXT_OVERFLOW'
  | 'POISONED_REQUEST'
  | 'INVALID_CONFIG'
  | 'OVERLOADED'
  | 'QUEUE_FULL'
  | 'QUEUE_TIMEOUT'
  | 'BREAKER_OPEN'
  | 'SHUTTING_DOWN'
  | 'CANNOT_CONNECT'
  | 'SERVER_UNREACHABLE'
  | 'BACKEND_FAILED'
  | 'MODEL_FAILED'
  | 'BAD_RESPONSE'
  | 'STREAM_INTERRUPTED'
  | 'RESPONSE_TIMEOUT'
  | 'DEADLINE_EXCEEDED'
  | 'INTERNAL'

/** What is fixed for every error of one code. */
export interface ErrorCodeInfo {
  readonly group: ErrorGroup
  /** HTTP status on every surface that has one. Overload is never a 5xx: clients re-run those by themselves. */
  readonly httpStatus: number
  /** One sentence for the error reference: when this happens. */
  readonly meaning: string
  /** One sentence that says what to do; the default of `SurefootError.hint`. */
  readonly hint: string
}

/** Every error code, once. The reference in `docs/reference/errors.md` is generated from it. */
export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorCodeInfo>> = {
  INVALID_REQUEST: {
    group: 'fix',
    httpStatus: 400,
    meaning: 'The request does not have the form that is expected, or the model cannot do what it asks for.',
    hint: 'Correct the request; asking again unchanged fails again.',
  },
  UNAUTHORIZED: {
    group: 'fix',
    httpStatus: 401,
    meaning: 'The key is missing or wrong.',
    hint: 'Send the key as `Authorization: Bearer <key>`.',
  },
  FORBIDDEN: {
    group: 'fix',
    httpStatus: 403,
    meaning: 'The server refuses this caller, its origin or its host name.',
    hint: 'Ask the operator to allow this origin, host or key.',
  },
  NOT_FOUND: {
    group: 'fix',
    httpStatus: 404,
    meaning: 'The route does not exist.',
    hint: 'Check the path and the method.',
  },
  MODEL_NOT_FOUND: {
    group: 'fix',
    httpStatus: 404,
    meaning: 'No backend has this model.',
    hint: 'Pull the model, or name one of the installed ones.',
  },
  PAYLOAD_TOO_LARGE: {
    group: 'fix',
    httpStatus: 413,
    meaning: 'The body of the request is over the limit (10 MiB).',
    hint: 'Send less: fewer or smaller messages and images.',
  },
  CONTEXT_OVERFLOW: {
    group: 'fix',
    httpStatus: 422,
    meaning: "The prompt is longer than the model's context window.",
    hint: 'Shorten the conversation, or raise `options.num_ctx`.',
  },
  POISONED_REQUEST: {
    group: 'fix',
    httpStatus: 422,
    meaning: 'The model runner crashed on this request on two backends; it is not sent to more of them.',
    hint: 'Change the request: a shorter prompt, smaller images, fewer options. If every request fails so, try another model.',
  },
  INVALID_CONFIG: {
    group: 'fix',
    httpStatus: 500,
    meaning: 'A setting has a value outside its range; found at start.',
    hint: 'Correct the setting and start again.',
  },
  OVERLOADED: {
    group: 'wait',
    httpStatus: 429,
    meaning: 'The backends refuse more work for now.',
    hint: 'Ask again after the time in `retryAfterMs`.',
  },
  QUEUE_FULL: {
    group: 'wait',
    httpStatus: 429,
    meaning: "The model's queue has reached its length.",
    hint: 'Ask again later, or add backends or slots.',
  },
  QUEUE_TIMEOUT: {
    group: 'wait',
    httpStatus: 429,
    meaning: 'No slot became free within the longest allowed wait.',
    hint: 'Ask again later, or add backends or slots.',
  },
  BREAKER_OPEN: {
    group: 'wait',
    httpStatus: 503,
    meaning: 'Every backend of this model failed several times in a row and is left alone for a while.',
    hint: 'Check that Ollama is running (`ollama serve`); Surefoot notices by itself when it is back.',
  },
  SHUTTING_DOWN: {
    group: 'wait',
    httpStatus: 503,
    meaning: 'This Surefoot is closing and takes no new calls.',
    hint: 'Ask again in a moment: another instance or the restarted one will answer.',
  },
  CANNOT_CONNECT: {
    group: 'elsewhere',
    httpStatus: 502,
    meaning: 'No connection to the backend: refused, unknown host, reset or closed before a byte.',
    hint: 'Start Ollama with `ollama serve`, or correct OLLAMA_BASE_URL.',
  },
  SERVER_UNREACHABLE: {
    group: 'elsewhere',
    httpStatus: 502,
    meaning: 'The SDK has no connection to the Surefoot server, or something between them answered in its place.',
    hint: 'Check the url given to createClient and that `surefoot serve` is running.',
  },
  BACKEND_FAILED: {
    group: 'elsewhere',
    httpStatus: 502,
    meaning: 'The backend answered with an error of its own: a crash of its runner, a 500, 502, 503 or 504.',
    hint: "Look at the backend's log (`ollama serve` prints it).",
  },
  MODEL_FAILED: {
    group: 'elsewhere',
    httpStatus: 502,
    meaning: 'The backend cannot run this model: not enough memory, a damaged file, an unknown architecture.',
    hint: 'Try a smaller model, or pull the model again.',
  },
  BAD_RESPONSE: {
    group: 'elsewhere',
    httpStatus: 502,
    meaning: "The backend sent something that is not Ollama's protocol.",
    hint: 'Check that the address is that of an Ollama and not of a proxy or another program.',
  },
  STREAM_INTERRUPTED: {
    group: 'elsewhere',
    httpStatus: 502,
    meaning: 'The answer broke off: an error line, a cut connection, an end without `done`.',
    hint: 'Ask again; the text so far is not the whole answer.',
  },
  RESPONSE_TIMEOUT: {
    group: 'give-up',
    httpStatus: 504,
    meaning: 'The backend was silent for longer than OLLAMA_TIMEOUT, before the first token or between two.',
    hint: 'Raise OLLAMA_TIMEOUT, use a smaller model, or check the load of the machine.',
  },
  DEADLINE_EXCEEDED: {
    group: 'give-up',
    httpStatus: 504,
    meaning: 'The whole call took longer than its `deadlineMs`.',
    hint: 'Give the call more time, or ask for a shorter answer.',
  },
  INTERNAL: {
    group: 'give-up',
    httpStatus: 500,
    meaning: 'A fault of Surefoot itself.',
    hint: 'Please report it, with the id of the run.',
  },
}
