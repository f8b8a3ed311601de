import type { Served } from '@surefoot/protocol'

/** What can be broken between Surefoot and its backend; `none` is the ordinary state. */
export type BreakMode = 'none' | 'every-second' | 'refuse' | 'hang' | 'cut' | 'no-memory'

/** All break modes, in the order of the page's bar. */
export const BREAK_MODES: readonly BreakMode[] = ['none', 'every-second', 'refuse', 'hang', 'cut', 'no-memory']

/** One backend of the demo. */
export interface DemoBackend {
  /** The address Surefoot was given; with a real Ollama that of the demo's own fault proxy. */
  readonly url: string
  /** The address a person knows it by. */
  readonly shownAs: string
}

/** What answers in the place of a model that cannot, in this order; after it comes the fallback reply. */
export interface Ladder {
  readonly models: readonly string[]
  /** An older answer to the same question. */
  readonly cache: boolean
}

/** What the cache holds and has done since the start. */
export interface CacheNumbers {
  readonly entries: number
  readonly bytes: number
  /** Calls that were given a kept answer. */
  readonly hits: number
  /** Calls that joined the run of another one. */
  readonly joined: number
}

/** The answer of `GET /demo/info`. */
export interface DemoInfo {
  readonly kind: 'real' | 'stand-in'
  readonly backends: readonly DemoBackend[]
  readonly model: string
  /** Why it is this backend or this model and not another; absent when it is just what was asked for. */
  readonly note?: string | undefined
  readonly mode: BreakMode
  /** Requests for answers that reached the backend since the start, Surefoot's and the straight ones. */
  readonly requests: number
  /** Of those, the ones a fault was put on. */
  readonly broken: number
  readonly ladder: Ladder
  /** Whether repeated questions can be answered from a cache. */
  readonly hasCache: boolean
  /** Absent where no answers are kept. */
  readonly cache?: CacheNumbers | undefined
  /**
   * How the answers since the start came about, the reliability test's included. Where nothing could answer whoever asked
   * has put a fallback reply there, if Surefoot did not: both are `fallback`.
   */
  readonly answers: Readonly<Record<Served, number>>
}

/** Who asked in the reliability test: a client without any precautions, or Surefoot. */
export type TestSide = 'straight' | 'surefoot'

/** How it asked: one after the other, or all at once. */
export type TestLoad = 'sequential' | 'concurrent'

/** Questions of each load in the reliability test. */
export const TEST_SIZES: Readonly<Record<TestLoad, number>> = { sequential: 10, concurrent: 20 }

/** One line of `POST /demo/reliability-test`. */
export type ReliabilityEvent =
  | { readonly type: 'warm-up' }
  | { readonly type: 'phase'; readonly side: TestSide; readonly load: TestLoad; readonly patienceMs?: number }
  | {
      readonly type: 'result'
      readonly side: TestSide
      readonly load: TestLoad
      readonly index: number
      readonly ok: boolean
      readonly tookMs: number
      /** The model that answered in the place of the one that was asked. */
      readonly otherModel?: string
      /** Why there was no whole answer, in one sentence. */
      readonly problem?: string
    }
  | { readonly type: 'end'; readonly rates: Readonly<Record<TestSide, number>> }
  | { readonly type: 'error'; readonly message: string }

/**
 * A text in which every backend goes by the address a person knows: the demo's fault proxy, on a port of its own,
 * would otherwise show up in errors about the real Ollama behind it.
 */
export function withShownAddresses(text: string, backends: readonly DemoBackend[]): string {
  return backends.reduce((shown, backend) => shown.replaceAll(backend.url, backend.shownAs), text)
}
