import type { LoadProgress } from './loader.ts'

/** What brings models into the memory of a backend. */
export interface ModelLoader {
  /** The load under way, whatever its model is. */
  readonly current: { readonly model: string; readonly sinceMs: number } | undefined
  want(model: string): void
  loading(model: string): LoadProgress | undefined
  expectedMs(model: string): number | undefined
  /** The model did not fit into memory. @returns whether it is asked for less of it from now on */
  tooLarge(model: string): boolean
}

/** What looks after a backend while it works. */
export interface BackendWatcher {
  /** A call went there. */
  leased(): void
  /** It refuses work as if its scheduler were dead. */
  suspects(): void
}
