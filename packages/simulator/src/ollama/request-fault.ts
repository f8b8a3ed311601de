/** What goes wrong with one request. `atShare` is the share of its tokens that come before: 0 is before the first. */
export type RequestFault =
  /** Nobody listens. */
  | { readonly kind: 'refuse' }
  /** RST or FIN before a byte; `reused`: only on a connection that has served before. */
  | { readonly kind: 'reset'; readonly reused?: boolean }
  | {
      readonly kind: 'status'
      readonly status: number
      readonly text: string
      readonly afterMs: number
      readonly retryAfterS?: number
    }
  /** Accepted, and then not a byte. */
  | { readonly kind: 'hang' }
  | {
      readonly kind: 'break'
      readonly atShare: number
      readonly how: 'cut' | 'cut-in-line' | 'stall' | 'error-line' | 'end' | 'garbage' | 'out-of-memory'
    }
  | { readonly kind: 'slow'; readonly factor: number }
  /** Lines arrive in pieces that do not end where lines end. */
  | { readonly kind: 'drip' }

/** A fault and how often it strikes a request to generate. */
export interface FaultChance {
  readonly fault: RequestFault
  readonly probability: number
}

/** The words of real failures. */
export const FAILURE_TEXTS = {
  crashed: 'an error was encountered while running the model: unexpected EOF',
  busy: 'server busy, please try again.  maximum pending requests exceeded',
  outOfMemory: 'CUDA error: out of memory',
  wrongOption: 'option "temperature" must be of type float32',
} as const

/** Words of a server that is broken, whatever was asked of it. */
export const BROKEN_TEXTS: ReadonlySet<string> = new Set([
  'internal server error',
  'bad gateway',
  'service unavailable',
  'gateway timeout',
])

/** Every fault that strikes before the first byte of an answer, equally often. */
const BEFORE_FIRST_BYTE: readonly RequestFault[] = [
  { kind: 'refuse' },
  { kind: 'reset' },
  { kind: 'reset', reused: true },
  { kind: 'status', status: 500, text: FAILURE_TEXTS.crashed, afterMs: 40 },
  { kind: 'status', status: 500, text: FAILURE_TEXTS.crashed, afterMs: 900 },
  { kind: 'status', status: 502, text: 'bad gateway', afterMs: 20 },
  { kind: 'status', status: 503, text: 'service unavailable', afterMs: 20 },
  { kind: 'status', status: 503, text: FAILURE_TEXTS.busy, afterMs: 5 },
  { kind: 'status', status: 504, text: 'gateway timeout', afterMs: 2_000 },
  { kind: 'status', status: 429, text: 'too many requests', afterMs: 5, retryAfterS: 1 },
  { kind: 'break', atShare: 0, how: 'end' },
  { kind: 'break', atShare: 0, how: 'error-line' },
]

/** Every way a stream breaks in the middle. */
const IN_THE_MIDDLE = ['cut', 'cut-in-line', 'error-line', 'end', 'garbage', 'stall'] as const

/** A share of all requests fails before the first byte, in all ways equally often. */
export function mixedFaults(probability: number): FaultChance[] {
  return BEFORE_FIRST_BYTE.map((fault) => ({ fault, probability: probability / BEFORE_FIRST_BYTE.length }))
}

/** A share of all streams breaks somewhere in the middle, in all ways equally often. */
export function streamFaults(probability: number): FaultChance[] {
  const shares = [0.1, 0.5, 0.9]
  return IN_THE_MIDDLE.flatMap((how) =>
    shares.map((atShare) => ({
      fault: { kind: 'break' as const, atShare, how },
      probability: probability / IN_THE_MIDDLE.length / shares.length,
    })),
  )
}
