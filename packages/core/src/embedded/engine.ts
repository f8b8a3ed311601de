/** One message, as far as a small model in this process needs it. */
export interface EmbeddedMessage {
  readonly role: string
  readonly content: string
}

/** One question to a model in this process. */
export interface EmbeddedRequest {
  readonly messages: readonly EmbeddedMessage[]
  /** As in Ollama's options, with its defaults where it has some. */
  readonly temperature: number
  readonly topK: number
  readonly topP: number
  readonly seed?: number | undefined
  readonly stop: readonly string[]
  /** @default as many as there is room for */
  readonly maxTokens?: number | undefined
  /** Ends it; the promise then rejects with its reason. */
  readonly signal: AbortSignal
  /** Called with each piece of text as it is written. */
  onText(text: string): void
}

/** How an answer of it ended. */
export interface EmbeddedEnd {
  readonly promptTokens: number
  readonly answerTokens: number
  /** It was not at its end when there was no more room, or no more was wanted. */
  readonly isCut: boolean
}

/** A model that is in the memory of this process; it answers one question at a time. */
export interface EmbeddedEngine {
  /** Rejects with `CONTEXT_OVERFLOW` when the messages do not fit: nothing is cut in silence. */
  generate(request: EmbeddedRequest): Promise<EmbeddedEnd>
  /** Gives its memory back. */
  close(): Promise<void>
}

/** Brings the GGUF file into memory. */
export type LoadEmbedded = (path: string) => Promise<EmbeddedEngine>
