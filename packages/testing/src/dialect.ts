/** What is told of a generation when it ends. */
export interface GenerationStats {
  /** `false` only where a fault says so. */
  readonly isDone: boolean
  readonly doneReason: 'stop' | 'length' | 'load' | 'unload'
  /** The numbers; absent where nothing was generated. Durations in ns. */
  readonly numbers?: {
    readonly context: readonly number[] | undefined
    readonly totalNs: number
    readonly loadNs: number
    readonly promptTokens: number
    readonly promptNs: number
    readonly evalCount: number
    readonly evalNs: number
  }
}

/** How one route words and frames its answers. */
export interface Dialect {
  readonly streamType: string
  readonly bodyKind: 'charset' | 'plain'
  /** One line or event of a stream around a text. */
  frame(text: string): string
  token(text: string, isFirst: boolean): string
  /** Everything after the last token; Ollama sends it as one chunk. */
  last(stats: GenerationStats): string
  /** What a stream says when the runner has died. */
  broken(text: string): string
  /** The body of an answer that is not streamed. */
  whole(text: string, stats: GenerationStats): object
  error(status: number, message: string): object
}
