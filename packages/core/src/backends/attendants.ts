import type { LoadProgress } from './loader.ts'

/** What brings models into the memory of a backend. */
export interface ModelLoader {
  /** The load under way, whatever its model is. */
  readonly current: { readonly model: string; readonly sinceMs: number } | undefined
  want(model: string): void
  loading(model: string): LoadProgress | undefined
  expectedMs(model: string): number | undefined
  tooLarge(model: string): void
}

/** What looks after a backend while it works. */
export interface BackendWatcher {
  /** A call went there. */
  leased(): void
  /** It refuses work as if its scheduler were dead. */
  suspects(): void
}
