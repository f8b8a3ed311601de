import type { Dispatcher } from 'undici'

/** The socket of one attempt: it can be cut before there is one. */
export class AttemptSocket {
  #controller: Dispatcher.DispatchController | undefined
  #cutReason: Error | undefined

  /** The request has gone out. */
  get isOpen(): boolean {
    return this.#controller !== undefined
  }

  attach(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#cutReason !== undefined) controller.abort(this.#cutReason)
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  cut(reason: Error): void {
    this.#cutReason = reason
    this.#controller?.abort(reason)
  }
}
