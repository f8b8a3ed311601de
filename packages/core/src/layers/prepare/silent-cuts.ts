import type { ModelContexts } from '../../backends/model-contexts.ts'
import { AttemptFailure } from '../../outcome/attempt-failure.ts'
import { contextOverflow } from '../../outcome/context-overflow.ts'
import { abortable } from '../../runtime/abortable.ts'
import type { Delta, Final, Reply } from '../../service.ts'
import { CheckedBody } from './checked-body.ts'
import { hasImages, mayOverflow, surelyThere, tokensAtMost } from './guarded-call.ts'
import type { GuardedCall } from './guarded-call.ts'
import type { Ladder, Misfit } from './ladder.ts'
import { mendOf } from './mend.ts'
import { rungFor } from './rungs.ts'
import { wasCut } from './was-cut.ts'
import { USUAL_BYTES_PER_TOKEN } from './token-rates.ts'

/** A prompt that is expected to be so much longer than any context surely does not fit. */
const SURELY = 1.25

/** The guard over backends that cannot refuse a prompt: before it is sent, and when its answer says how much of it was read. */
export class SilentCuts {
  readonly #ladder: Ladder
  readonly #contexts: Pick<ModelContexts, 'largest' | 'loaded' | 'careOf' | 'findCareOf' | 'leastCare'>

  constructor(
    ladder: Ladder,
    contexts: Pick<ModelContexts, 'largest' | 'loaded' | 'careOf' | 'findCareOf' | 'leastCare'>,
  ) {
    this.#ladder = ladder
    this.#contexts = contexts
  }

  /**
   * Chooses a context that surely holds the prompt, or else the largest there may be.
   *
   * @throws SurefootError `CONTEXT_OVERFLOW` when the prompt is surely longer than that; or, where no count would tell,
   *   when it is expected to be.
   */
  async growBefore(guarded: GuardedCall): Promise<void> {
    const { call, outgoing, context, bytes, bytesPerToken, room } = guarded
    const { model } = call
    const atMost = tokensAtMost(guarded)
    let { numCtx } = outgoing
    if (numCtx === undefined || atMost > numCtx) {
      const ceiling = await this.#ladder.ceiling(model, context.signal)
      const rung = rungFor(atMost, room, ceiling) ?? ceiling
      if (rung > (numCtx ?? 0)) this.#ladder.raise(model, rung)
      numCtx = this.#ladder.current(model)
    }
    if (numCtx === undefined) return
    const expected = Math.ceil(bytes / (bytesPerToken ?? USUAL_BYTES_PER_TOKEN))
    const isUnseen = this.#contexts.leastCare === 'cuts-unseen'
    const most = await this.#contexts.largest(model, context.signal)
    const available = Math.min(numCtx, most ?? Number.POSITIVE_INFINITY)
    if (expected <= available * (isUnseen ? 1 : SURELY) || (!isUnseen && bytesPerToken === undefined)) return
    const hint = mendOf({ model, needed: expected, room, largest: most, tooLargeFrom: Number.POSITIVE_INFINITY })
    throw contextOverflow({ model, needed: expected, isEstimate: true, available, hint })
  }

  /**
   * The reply, if its backend can be relied on to refuse; else one whose end is checked. Of a buffered one nothing is shown
   * before that.
   */
  async check(reply: Reply, guarded: GuardedCall): Promise<Reply> {
    const { backend, how, body } = reply
    const care = this.#contexts.careOf(backend)
    if (how !== undefined || care === 'refuses' || hasImages(guarded.call)) return reply
    // For the next one; nobody waits for it now.
    if (care === undefined) void this.#contexts.findCareOf(backend)
    if (!guarded.call.buffered) {
      return { ...reply, body: new CheckedBody(body, (final) => this.#checkShown(final, backend, guarded)) }
    }
    const deltas: Delta[] = []
    for (;;) {
      const { value, done } = await body.next()
      if (done !== true) {
        deltas.push(value)
        continue
      }
      const misfit = await this.#misfitOf(value, backend, guarded)
      if (misfit !== undefined) throw failureOf(misfit, backend, undefined)
      return { ...reply, body: replay(deltas, value) }
    }
  }

  /** What was shown cannot be taken back; the next call finds room. */
  async #checkShown(final: Final, backend: string, guarded: GuardedCall): Promise<void> {
    const misfit = await this.#misfitOf(final, backend, guarded)
    if (misfit === undefined) return
    const mend = await this.#ladder.climb(misfit)
    throw failureOf(misfit, backend, mend ?? 'Ask again: the context is large enough now.')
  }

  /** What the prompt had too little of; `undefined` when it was read whole. */
  async #misfitOf({ chunk }: Final, backend: string, guarded: GuardedCall): Promise<Misfit | undefined> {
    const { call, outgoing, context, bytes, bytesPerToken = USUAL_BYTES_PER_TOKEN, room } = guarded
    const { prompt_eval_count: count } = chunk
    const expected = Math.ceil(bytes / bytesPerToken)
    const named = outgoing.numCtx
    if (count === undefined || (this.#contexts.careOf(backend) === undefined && !mayOverflow(guarded))) return undefined
    const { model, request } = call
    const { signal } = context
    const most = await this.#contexts.largest(model, signal)
    // A model may take less than is named, and less than Ollama gives by itself.
    if (!mayOverflow(guarded, most) || (count >= expected && count < surelyThere(guarded, most))) return undefined
    if ((await abortable(this.#contexts.findCareOf(backend), signal)) !== 'cuts') return undefined
    // Where it has grown since this one was sent, what is in memory now is not what it was read with.
    const isOld = named === undefined && this.#ladder.current(model) !== undefined
    const given = isOld ? undefined : (named ?? (await this.#contexts.loaded(backend, model, signal)))
    const largest = most ?? Number.POSITIVE_INFINITY
    const available = given !== undefined ? Math.min(given, largest) : count >= largest ? largest : undefined
    if (!wasCut({ count, context: available, messages: request.messages, bytes, bytesPerToken })) return undefined
    const needed = Math.max(expected, (available ?? count) + 1)
    return { model, needed, isEstimate: true, room, available: available ?? count, named, signal }
  }
}

function failureOf(misfit: Misfit, backend: string, hint: string | undefined): AttemptFailure {
  const error = contextOverflow({ ...misfit, backend, hint })
  return new AttemptFailure({ class: 'client', error, cheap: false, retry: 'never', prompt: false }, backend)
}

async function* replay(deltas: readonly Delta[], final: Final): AsyncGenerator<Delta, Final, void> {
  yield* deltas
  return final
}
