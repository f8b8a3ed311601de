/** What the transport saw of an attempt that failed; facts only, no judgement. */
export type Failure =
  /** The backend answered with another status than 200. */
  | {
      readonly kind: 'status'
      readonly status: number
      /** The first 4 KiB of the body. */
      readonly body: string
      readonly retryAfterMs?: number | undefined
      readonly elapsedMs: number
    }
  /** The connection could not be made, broke, or spoke no HTTP. */
  | { readonly kind: 'network'; readonly cause: unknown; readonly gotBytes: boolean; readonly gotToken: boolean }
  /** HTTP 200 with a line that holds an error. */
  | { readonly kind: 'error-line'; readonly text: string; readonly gotToken: boolean; readonly elapsedMs: number }
  /** HTTP 200 and a proper end without the terminal marker. */
  | { readonly kind: 'no-end-mark'; readonly gotToken: boolean }
  /** HTTP 200 with a line that is not JSON or too long. */
  | { readonly kind: 'bad-line'; readonly gotToken: boolean }
  /** Not a byte for that long. */
  | { readonly kind: 'silence'; readonly silentMs: number; readonly gotToken: boolean }

/** Whom and what the attempt was for. */
export interface Attempted {
  /** The backend's URL without credentials. */
  readonly backend: string
  readonly model: string
  /** A backend other than this one whose runner crashed on the same request, with nothing else to blame for it. */
  readonly crashedElsewhere?: string | undefined
}
