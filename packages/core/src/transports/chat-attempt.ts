import { SurefootError } from '@surefoot/protocol'
import type { Dispatcher } from 'undici'

import type { AttemptEnd } from '../backends/lease.ts'
import type { Failure } from '../outcome/failure.ts'
import { LostRace } from '../outcome/lost-race.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Final, Reply } from '../service.ts'
import { AttemptFailures } from './attempt-failures.ts'
import type { AttemptFailuresDeps } from './attempt-failures.ts'
import { AttemptSocket } from './attempt-socket.ts'
import { ErrorBody } from './error-body.ts'
import type { Exchange } from './exchange.ts'
import { LineSplitter } from './ndjson.ts'
import { Patience } from './patience.ts'
import type { SilenceLimits } from './patience.ts'
import { PromisedReply } from './promised-reply.ts'

/** After the final line the connection may take this long to end properly before it is cut. */
const LINGER_MS = 250

/** What one attempt needs. */
export interface AttemptDeps extends AttemptFailuresDeps {
  readonly exchange: Exchange
  readonly limits: SilenceLimits
  readonly runtime: Runtime
  /** Looks into the backend's memory now; what it finds is in the lease's `residency()` afterwards. */
  readonly lookIntoMemory: () => Promise<void>
}

/**
 * One exchange over a socket, from the request to the final line. It tells the lease about the first token and the end,
 * and ends exactly once however it ends.
 */
export class ChatAttempt implements Dispatcher.DispatchHandler {
  readonly #reply: PromisedReply
  readonly #deps: AttemptDeps
  readonly #startedAtMs: number
  readonly #lines: LineSplitter
  readonly #patience: Patience
  readonly #socket = new AttemptSocket()
  readonly #failures: AttemptFailures
  #status = 0
  #error: ErrorBody | undefined
  #final: Final | undefined
  /** The caller has been answered; nothing more reaches it. */
  #settled = false
  /** The lease has been given back. */
  #released = false
  #linger: { cancel(): void } | undefined

  constructor(deps: AttemptDeps) {
    this.#deps = deps
    this.#failures = new AttemptFailures(deps)
    this.#startedAtMs = deps.runtime.clock.monotonicMs()
    this.#reply = new PromisedReply(deps.lease.backend.name, {
      onToken: () => {
        this.#patience.token()
        deps.lease.firstToken()
      },
      onLeave: () => this.#leave(new DOMException('The reader has left', 'AbortError')),
      onPause: (paused) => this.#onPause(paused),
    })
    this.#lines = new LineSplitter((line) => this.#onLine(line))
    this.#patience = new Patience({
      runtime: deps.runtime,
      limits: deps.limits,
      residency: () => deps.lease.residency(),
      queuedInside: () => deps.lease.queuedInside(),
      lookIntoMemory: deps.lookIntoMemory,
      onLoading: () => this.#onLoading(),
      onSilent: (silentMs) => this.#onSilent(silentMs),
    })
    deps.context.signal.addEventListener('abort', this.#onAbort)
  }

  /** Sends the request. Resolves at the commit point; rejects with an `AttemptFailure` or the reason of the abort. */
  start(): Promise<Reply> {
    const { call, exchange, context, connection, lease, limits } = this.#deps
    if (context.signal.aborted) this.#onAbort()
    else {
      this.#patience.start()
      const giveUp = (silentMs: number): void => this.#fail({ kind: 'silence', silentMs, gotToken: false })
      lease.watch({ model: call.model, mayBeQuiet: limits.mayBeQuiet, giveUp })
      connection.dispatch('POST', exchange.path, exchange.body, this)
    }
    return this.#reply.promise
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#socket.attach(controller)
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status
    const nowMs = this.#deps.runtime.clock.nowMs()
    this.#error = status === 200 ? undefined : new ErrorBody(status, headers['retry-after'], nowMs)
    if (status > 200) return this.#patience.refused()
    if (!this.#settled) return
    // The caller had left while the model was being loaded: now it is loaded, and the generation can be cut.
    this.#release({ kind: 'left' })
    this.#socket.cut(new DOMException('Aborted', 'AbortError'))
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#released) return
    const heardAtMs = this.#patience.heard()
    if (this.#reply.gotToken) this.#deps.lease.backend.liveness.tokenAtMs = heardAtMs
    if (this.#error !== undefined) {
      if (!this.#error.push(chunk)) this.#fail(this.#error.failure(this.#elapsedMs()))
    } else if (!this.#lines.push(chunk)) {
      this.#fail({ kind: 'bad-line', gotToken: this.#reply.gotToken })
    }
  }

  onResponseEnd(): void {
    if (this.#error !== undefined) return this.#fail(this.#error.failure(this.#elapsedMs()))
    this.#lines.end()
    if (this.#final === undefined) this.#fail({ kind: 'no-end-mark', gotToken: this.#reply.gotToken })
    else this.#release({ kind: 'whole' })
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    if (this.#final !== undefined) return this.#release({ kind: 'whole' })
    if (this.#error !== undefined) return this.#fail(this.#error.failure(this.#elapsedMs()))
    this.#fail({ kind: 'network', cause, gotBytes: this.#status !== 0, gotToken: this.#reply.gotToken })
  }

  #onLine(bytes: Buffer): void {
    if (this.#final !== undefined || this.#settled) return
    const { gotToken } = this.#reply
    const line = this.#deps.exchange.read(bytes)
    switch (line.kind) {
      case 'nothing':
        return this.#patience.token()
      case 'delta':
        return this.#reply.push(line.delta)
      case 'final':
        if (line.rest !== undefined) this.#reply.push(line.rest)
        return this.#onFinal(line.final)
      case 'error':
        return this.#fail({ kind: 'error-line', text: line.text, gotToken, elapsedMs: this.#elapsedMs() })
      case 'bad':
        return this.#fail({ kind: 'bad-line', gotToken })
    }
  }

  #onFinal(final: Final): void {
    this.#final = final
    this.#settled = true
    this.#patience.stop()
    this.#stopListening()
    this.#deps.lease.firstToken()
    this.#reply.finish(final)
    // Its connection is about to end by itself, then the socket can be used again; if not, it is cut.
    this.#linger = this.#deps.runtime.timers.set(LINGER_MS, () => {
      this.#socket.cut(new DOMException('The answer is whole', 'AbortError'))
      this.#release({ kind: 'whole' })
    })
  }

  #onPause(paused: boolean): void {
    if (paused) {
      this.#patience.pause()
      this.#socket.pause()
    } else {
      if (!this.#settled) this.#patience.resume()
      this.#socket.resume()
    }
  }

  #onLoading(): void {
    const { context, call, lease } = this.#deps
    if (!this.#settled) context.emit({ type: 'loading', model: call.model, backend: lease.backend.name })
  }

  #onSilent(silentMs: number): void {
    // A status that says it all needs no end of its body.
    if (this.#error !== undefined) return this.#fail(this.#error.failure(this.#elapsedMs()))
    this.#fail({ kind: 'silence', silentMs, gotToken: this.#reply.gotToken })
  }

  readonly #onAbort = (): void => {
    this.#leave(this.#deps.context.signal.reason)
  }

  /** The caller has gone: it is released at once; the generation is cut, but a load is left to end (F5). */
  #leave(reason: unknown): void {
    if (this.#settled) return
    const silentMs = isDeadline(reason) ? this.#patience.overdueMs : undefined
    this.#settled = true
    this.#stopListening()
    this.#reply.fail(reason)
    const loading = this.#status === 0 && this.#patience.mayBeLoading
    if (loading && this.#socket.isOpen) return
    const cut = reason instanceof Error ? reason : new DOMException('Aborted', 'AbortError')
    // A deadline that is no longer than the patience must not hide that the backend hangs.
    if (silentMs !== undefined)
      return this.#failUnseen({ kind: 'silence', silentMs, gotToken: this.#reply.gotToken }, cut)
    this.#release({ kind: 'left', staysTakenMs: reason instanceof LostRace ? reason.staysTakenMs : undefined })
    this.#socket.cut(cut)
  }

  #fail(failure: Failure): void {
    if (this.#released) return
    if (this.#final !== undefined) {
      this.#release({ kind: 'whole' })
      return this.#socket.cut(new DOMException('The answer is whole', 'AbortError'))
    }
    if (this.#settled) return this.#failUnseen(failure, new DOMException('Aborted', 'AbortError'))
    this.#settled = true
    this.#stopListening()
    const error = this.#failures.seen(failure, this.#reply.isCommitted, this)
    // Before the cut: undici tells of it at once, and the lease must not end as one that was left.
    this.#release({ kind: 'failed', verdict: error.verdict })
    this.#socket.cut(error)
    this.#reply.fail(error)
  }

  #failUnseen(failure: Failure, cut: Error): void {
    this.#release({ kind: 'failed', verdict: this.#failures.unseen(failure, this) })
    this.#socket.cut(cut)
  }

  #release(end: AttemptEnd): void {
    if (this.#released) return
    this.#released = true
    this.#patience.stop()
    this.#linger?.cancel()
    this.#deps.lease.end(end)
  }

  #stopListening(): void {
    this.#deps.context.signal.removeEventListener('abort', this.#onAbort)
  }

  #elapsedMs(): number {
    return this.#deps.runtime.clock.monotonicMs() - this.#startedAtMs
  }
}

/** Our own limit for the whole call, unlike an abort, which says nothing of the backend. */
function isDeadline(reason: unknown): boolean {
  return SurefootError.is(reason) && reason.code === 'DEADLINE_EXCEEDED'
}
