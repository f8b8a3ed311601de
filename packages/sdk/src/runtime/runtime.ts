/** What the SDK takes from its surroundings. Injected, so that a test can hold the time still. */
export interface SdkRuntime {
  /** The present, as Ollama prints it in `created_at`. */
  nowIso(): string
  /** Calls `fire` once after `delayMs`; the returned function takes that back. */
  setTimer(delayMs: number, fire: () => void): () => void
  /** An unguessable name for a run: a UUID of version 4. */
  newId(): string
  /** The `fetch` of the browser or of Node, looked up at each call: tests and polyfills replace it at any time. */
  fetch(url: string, init: RequestInit): Promise<Response>
}
