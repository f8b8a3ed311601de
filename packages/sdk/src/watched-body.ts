/** What happens around a body that is passed on. */
export interface BodyWatch {
  /** Ends the body with its reason. */
  readonly signal: AbortSignal
  /** A read begins or ends; a body that nobody reads is not silent. */
  onRead(pending: boolean): void
  /** The body is over, in whatever way. Called at least once. */
  onEnd(): void
  /** The error that a reader gets for one of the connection. */
  failure(error: unknown): unknown
}

/** Passes a body on byte for byte, at the pace of its reader, and ends it at once when the signal aborts. */
export function watchBody(body: ReadableStream<Uint8Array>, watch: BodyWatch): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  let removeListener: () => void
  const end = (): void => {
    removeListener()
    watch.onEnd()
  }
  return new ReadableStream<Uint8Array>({
    start(controller) {
      // Not left to fetch: one that is polyfilled or mocked may ignore its signal.
      const onAbort = (): void => {
        controller.error(watch.signal.reason)
        end()
        reader.cancel(watch.signal.reason).catch(() => undefined)
      }
      removeListener = () => watch.signal.removeEventListener('abort', onAbort)
      watch.signal.addEventListener('abort', onAbort, { once: true })
    },
    async pull(controller) {
      watch.onRead(true)
      try {
        const { done, value } = await reader.read()
        watch.onRead(false)
        if (watch.signal.aborted) return
        if (!done) return controller.enqueue(value)
        end()
        controller.close()
      } catch (error) {
        end()
        controller.error(watch.failure(error))
      }
    },
    async cancel(reason) {
      end()
      await reader.cancel(reason)
    },
  })
}
