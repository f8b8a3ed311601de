import { LOAD_OPTIONS } from '../../load-options.ts'

type Options = Readonly<Record<string, unknown>>

/** The options named, but of those that Ollama applies when it loads a model the ones that it is loaded with. */
export function asLoaded(named: Options = {}, loadedWith: Options): Options {
  const own = Object.entries(named).filter(([name]) => name !== 'num_ctx' && !LOAD_NAMES.has(name))
  return { ...Object.fromEntries(own), ...loadedWith }
}

const LOAD_NAMES: ReadonlySet<string> = new Set<string>(LOAD_OPTIONS)
