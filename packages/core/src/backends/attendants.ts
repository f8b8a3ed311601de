import type { Options } from '../load-options.ts'
import type { LoadProgress } from './loader.ts'

/** What brings models into the memory of a backend. */
export interface ModelLoader {
  /** The load under way, whatever its model is. */
  readonly current: { readonly model: string; readonly sinceMs: number } | undefined
  want(model: string): void
  loading(model: string): LoadProgress | undefined
  expectedMs(model: string): number | undefined
  /** What the model is to be loaded with now; another object whenever that has changed. */
  loadOptions(model: string): Options
  /** The model did not fit into memory when asked for with that. @returns whether it is asked for otherwise now */
  tooLarge(model: string, loadedWith: Options): boolean
}

/** What looks after a backend while it works. */
export interface BackendWatcher {
  /** A call went there. */
  leased(): void
  /** It refuses work as if its scheduler were dead. */
  suspects(): void
}
