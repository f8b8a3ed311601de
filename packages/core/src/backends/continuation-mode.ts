/**
 * How one model on one backend goes on from a half answer.
 *
 * - `chat-prefill`: the half as a last assistant message, the answer holds only what is new.
 * - `chat-prefill+echo`: the same, but the answer begins with the whole half again (Ollama's jinja path).
 * - `raw`: the rendered prompt with the half after it, by `/api/generate`.
 * - `none`: not at all, its template begins a new turn or its words do not fit.
 *
 * Source: section 6.1 of the reference on Ollama's behaviour.
 */
export type ContinuationMode = 'chat-prefill' | 'chat-prefill+echo' | 'raw' | 'none'
