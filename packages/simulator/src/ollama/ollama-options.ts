/** A model of a modelled Ollama. */
export interface ModelOptions {
  readonly name: string
  readonly digest: string
  /** In memory when the process starts. */
  readonly loaded: boolean
  /** Whether it goes on from a half answer, repeats it first, or begins anew. */
  readonly prefill: 'continue' | 'echo' | 'new-turn'
  readonly sizeBytes?: number
  /** The largest context it takes, in tokens. @default windows are not modelled: every prompt fits */
  readonly context?: number
  /** Less than its size means that part of it runs on the CPU. */
  readonly vramBytes?: number
}

/** One modelled Ollama. Durations in milliseconds. */
export interface OllamaOptions {
  readonly url: string
  readonly version: string
  readonly models: readonly ModelOptions[]
  /** `OLLAMA_NUM_PARALLEL`. */
  readonly slots: number
  /** Models in memory at the most. */
  readonly mostModels: number
  /** Requests that may wait for a load before it says 503. */
  readonly maxQueue: number
  readonly loadMs: number
  readonly keepAliveMs: number
  /** Time to the first token of a question that says nothing else. */
  readonly firstTokenMs: number
  readonly tokenMs: number
  /** How long a slot stays taken after its client has left. */
  readonly abortLagMs: number
  /** One way of the network. */
  readonly latencyMs: number
}

/** An Ollama with one slot, one model in memory, 0.5 s to the first token and 10 tokens/s. */
export const DEFAULT_OLLAMA: Omit<OllamaOptions, 'url'> = {
  version: '0.32.15',
  models: [{ name: 'llama3.2', digest: 'b27a29348d5d', loaded: true, prefill: 'continue' }],
  slots: 1,
  mostModels: 3,
  maxQueue: 512,
  loadMs: 4_000,
  keepAliveMs: 300_000,
  firstTokenMs: 500,
  tokenMs: 100,
  abortLagMs: 200,
  latencyMs: 1,
}
