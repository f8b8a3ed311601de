import { SurefootError } from '@surefoot/protocol'

import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { NotFree } from '../../outcome/not-free.ts'
import { canonicalModel } from '../../backends/model-lists.ts'
import type { SpareBackends } from '../../backends/spare-backends.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Call, CallContext, Final, Service } from '../../service.ts'
import type { Telemetry, TelemetryEvent } from '../../telemetry/telemetry.ts'
import { withModel } from '../../with-model.ts'
import type { Arm } from './arm.ts'
import { asLoaded } from './as-loaded.ts'
import { isHeldAgainst } from './held-against.ts'
import type { Trial } from './trial.ts'

/** What copies are made with. */
export interface ShadowsDeps {
  readonly runtime: Runtime
  readonly telemetry: Pick<Telemetry, 'emit'>
  readonly spare: SpareBackends
  /** One try, at once on a spare backend that has the model in memory; rejects with `NotFree` where there is none. */
  readonly service: Service
  /** What a model is loaded with: a copy must not make it load anew. */
  readonly loadedWith: (model: string) => Readonly<Record<string, unknown>>
  /** The longest a copy may take, in milliseconds. */
  readonly deadlineMs: number
}

/** What a call needs that has come: a slot for its model, its backend for itself alone, or whatever there is. */
export type Demand = { readonly model: string } | { readonly backend: string } | 'anything'

/** A copy that waits for its place. */
interface Offer {
  readonly trial: Trial
  readonly call: Call
  readonly runId: string
}

/** A copy under way. */
interface Running {
  readonly model: string
  /** Not known in the moment in which it begins. */
  backend?: string
  readonly controller: AbortController
}

/** What copies wait in line as, so that they take nothing from the share of any caller. */
const TENANT = '(shadow)'

/**
 * Copies of live calls for a model that is tried out. Nobody sees them and nobody waits for them: one begins when its call
 * has had its first token, on a backend that has nothing else to do, and ends at once when a call needs the place. It
 * passes no layer that would try again, answer from the cache, go on with half an answer, or ask somebody else.
 */
export class Shadows {
  readonly #deps: ShadowsDeps
  readonly #running = new Set<Running>()
  /** The latest of each experiment that has had no place yet. */
  readonly #offers = new Map<Trial, Offer>()
  #stopListening: (() => void) | undefined
  #isLooking = false
  #isClosed = false

  constructor(deps: ShadowsDeps) {
    this.#deps = deps
  }

  /** A call is being answered: a copy of it may run, now or when there is a place. Of several that wait the latest stays. */
  offer(trial: Trial, call: Call, runId: string): void {
    const { shadow } = trial
    if (shadow === undefined || this.#isClosed || this.#deps.runtime.random.next() >= shadow.share) return
    this.#offers.set(trial, { trial, call, runId })
    this.#stopListening ??= this.#deps.spare.onChange(() => this.#look())
    this.#look()
  }

  /** A call needs a place: copies that are in its way end now. @returns whether any was. */
  giveWay(demand: Demand): boolean {
    let gaveWay = false
    for (const running of this.#running) {
      if (running.controller.signal.aborted || !isInTheWay(running, demand)) continue
      gaveWay = true
      running.controller.abort(new DOMException('A call needs the place', 'AbortError'))
    }
    return gaveWay
  }

  /** Ends all at once and begins no more. */
  close(): void {
    this.#isClosed = true
    this.#offers.clear()
    this.#rest()
    this.giveWay('anything')
  }

  /** Begins one of those that wait, if there is a place. */
  #look(): void {
    if (this.#isLooking || this.#isClosed || !this.#deps.spare.isThere()) return
    const [trial] = this.#offers.keys()
    if (trial === undefined) return this.#rest()
    this.#isLooking = true
    void this.#begin(trial)
  }

  async #begin(trial: Trial): Promise<void> {
    const { spare } = this.#deps
    const isInMemory = await spare.hasInMemory(canonicalModel(modelOf(trial)))
    this.#isLooking = false
    // Whoever came meanwhile has the place: it waits on.
    if (isInMemory && !spare.isThere()) return
    const offer = this.#offers.get(trial)
    this.#offers.delete(trial)
    if (offer !== undefined && isInMemory) void this.#run(offer)
    this.#look()
  }

  async #run({ trial, call, runId }: Offer): Promise<void> {
    const { runtime, deadlineMs, service, telemetry } = this.#deps
    const arm = trial.shadowArm as Arm
    const copy = this.#copyOf(call, modelOf(trial))
    const running: Running = { model: copy.model, controller: new AbortController() }
    const { signal } = running.controller
    const cleanups: Parameters<CallContext['defer']>[0][] = []
    const startedAtMs = runtime.clock.monotonicMs()
    const context: CallContext = {
      id: `${runId}/shadow`,
      signal,
      abort: (reason) => running.controller.abort(reason),
      startedAtMs,
      deadlineAtMs: startedAtMs + deadlineMs,
      attempt: 1,
      exclude: new Set(),
      onlyIfIdle: true,
      emit: (event) => {
        if (event.type !== 'attempt') return
        running.backend = event.backend
        arm.shadows.begun++
      },
      defer: (cleanup) => cleanups.push(cleanup),
    }
    this.#running.add(running)
    let outcome: ShadowEnd['outcome'] | undefined
    try {
      const reply = await service(copy, context)
      const firstTokenMs = runtime.clock.monotonicMs() - startedAtMs
      arm.answered((await endOf(reply.body)).chunk, firstTokenMs)
      arm.shadows.whole++
      outcome = 'whole'
    } catch (failure) {
      outcome = this.#failed(arm, failure, signal)
    } finally {
      this.#running.delete(running)
      // Nobody was answered by it.
      for (const cleanup of cleanups) cleanup({ kind: 'aborted' })
    }
    if (outcome === undefined) return
    const durationMs = runtime.clock.monotonicMs() - startedAtMs
    const { backend } = running
    telemetry.emit({ type: 'shadow-end', experiment: trial.name, model: copy.model, backend, outcome, durationMs })
  }

  #failed(arm: Arm, failure: unknown, signal: AbortSignal): ShadowEnd['outcome'] | undefined {
    if (failure instanceof NotFree) return undefined
    const isFailure = isHeldAgainst(failure, signal)
    if (isFailure) arm.failed()
    else if (signal.aborted) {
      arm.shadows.cancelled++
      return 'cancelled'
    }
    const reason: unknown = signal.aborted ? signal.reason : failure
    const error = reason instanceof AttemptFailure ? reason.verdict.error : reason
    return SurefootError.is(error) ? error.code : 'INTERNAL'
  }

  #copyOf(call: Call, model: string): Call {
    const other = withModel(call, model)
    // How long a model stays in memory is for its calls to say: 0 would put it out.
    const { keep_alive: _, ...named } = other.request
    const request = { ...named, options: asLoaded(named.options, this.#deps.loadedWith(other.model)) }
    return {
      ...other,
      request,
      body: Buffer.from(JSON.stringify(request)),
      // What it says is for nobody, so that its failures are not told as those of an answer that somebody reads.
      buffered: true,
      priority: 'low',
      tenant: TENANT,
      affinityKey: undefined,
    }
  }

  /** Nobody waits for a place. */
  #rest(): void {
    this.#stopListening?.()
    this.#stopListening = undefined
  }
}

type ShadowEnd = TelemetryEvent & { readonly type: 'shadow-end' }

function modelOf({ shadow }: Trial): string {
  return shadow?.model ?? ''
}

function isInTheWay({ model, backend }: Running, demand: Demand): boolean {
  if (demand === 'anything') return true
  if ('model' in demand) return model === demand.model
  return backend === undefined || backend === demand.backend
}

/** Lets the whole answer pass. */
async function endOf(body: AsyncGenerator<unknown, Final, void>): Promise<Final> {
  for (;;) {
    const { value, done } = await body.next()
    if (done === true) return value
  }
}
