/** Which requests a fault strikes; without any field it strikes every request of the chosen routes. */
export interface FaultSelector {
  /** Strikes each Nth matching request, counted from when the fault was switched on. */
  every?: number
  /** Strikes a matching request with this probability, 0..1, drawn from the stand-in's seeded random numbers. */
  probability?: number
  /** `chat` = /api/chat, /api/generate and /v1/chat/completions; `all` = health routes too. @default 'chat' */
  routes?: 'chat' | 'all'
  /** Stops after this many strikes. @default no limit */
  times?: number
}

/** After how many tokens a fault strikes; at the latest just before the last line. */
export interface AtToken {
  /** Tokens that still arrive whole. @default 3 */
  afterTokens?: number
}

/**
 * What goes wrong, without the choice of requests.
 *
 * `refuse` without `every`, `probability` and `times` closes the port until the fault is switched off. With one of them
 * the request before the doomed one gets `Connection: close`, and just before its last byte the port closes for `forMs`,
 * so that the next connection really gets ECONNREFUSED, whatever its route.
 */
export type FaultKind =
  | { kind: 'refuse'; /** How long the port stays closed, in ms. @default 5 */ forMs?: number }
  | { kind: 'reset-before-headers' }
  | { kind: 'reset-reused' }
  | { kind: 'reset-at-byte'; /** Bytes of the response body before the RST. @default 64 */ atByte?: number }
  | ({ kind: 'cut-at-token' } & AtToken)
  | { kind: 'hang' }
  | ({ kind: 'stall-at-token' } & AtToken)
  | ({ kind: 'error-line'; /** @default the text of a killed runner */ text?: string } & AtToken)
  | ({ kind: 'no-done' } & AtToken)
  | {
      kind: 'status'
      status: number
      /** Error text, wrapped as the route wraps its errors. @default the status text */
      message?: string
      /** The body as it is, instead of `message`. */
      body?: string
      /** Headers, added to Content-Type, Date and Content-Length. */
      headers?: Readonly<Record<string, string>>
    }
  | {
      kind: 'garbage'
      /** The one line (0 = first) that is not JSON. @default every line */
      atLine?: number
      /** What stands there instead. */
      text?: string
    }
  | { kind: 'not-http'; /** Bytes sent instead of an answer, before FIN. */ text?: string }
  | { kind: 'slow'; /** Multiplies the times of loading, first token and tokens. @default 10 */ factor?: number }
  | {
      kind: 'drip'
      /** Size of a piece of the body, in bytes. @default 1 */
      pieceBytes?: number
      /** Pause between pieces, in ms; 0 = one turn of the event loop. @default 1 */
      everyMs?: number
    }
  | { kind: 'done-false' }

/** A fault that the stand-in Ollama can be given: what goes wrong, and for which requests. */
export type Fault = FaultKind & FaultSelector
