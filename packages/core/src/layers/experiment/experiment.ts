import type { Variant } from '../../config/experiment.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Call, Layer } from '../../service.ts'
import { withModel } from '../../with-model.ts'
import type { Experiments } from './experiments.ts'
import { MeasuredCall } from './measured-call.ts'
import type { Shadows } from './shadows.ts'

/** What the layer is built with. */
export interface ExperimentDeps {
  readonly experiments: Experiments
  readonly runtime: Runtime
  /** Makes copies of calls; no call is kept waiting by it. */
  readonly shadows: Pick<Shadows, 'offer'>
}

/**
 * Fixes the variant of a call: calls for the model of an experiment go to one of its variants, chosen by weight, the same
 * for the same key. What becomes of the call here is its variant's doing, also when a layer above rescues it.
 */
export function createExperiment({ experiments, runtime, shadows }: ExperimentDeps): Layer {
  return (next) => async (call, context) => {
    const trial = call.kind === 'embed' ? undefined : experiments.of(call.model)
    if (trial === undefined) return await next(call, context)
    // Without a key it is a session of its own.
    const session = trial.join(call.stickyKey ?? context.id)
    const variant = trial.variantOf(session)
    const measured = new MeasuredCall({ experiments, runtime, trial, session, call, context })
    try {
      const reply = await next(asVariant(call, variant), context)
      const isOwn = reply.how === undefined || reply.how.served === 'model'
      measured.replied(isOwn)
      experiments.shown(context.id, trial, session)
      if (isOwn) shadows.offer(trial, call, context.id)
      return { ...reply, how: { served: 'model', ...reply.how, variant: `${trial.name}/${variant.name}` } }
    } catch (failure) {
      measured.rejected(failure)
      throw failure
    }
  }
}

/**
 * A call of a session as its variant asks it, which is how its answers are kept; for who stands above this layer and looks
 * for one. One without a key is a session of its own: nobody knows which variant it got.
 */
export function callOfVariant(call: Call, experiments: Experiments): Call {
  const trial = experiments.of(call.model)
  if (trial === undefined || call.stickyKey === undefined) return call
  return asVariant(call, trial.variantOf(trial.join(call.stickyKey)))
}

function asVariant(call: Call, { model, options }: Variant): Call {
  const varied = withModel(call, model)
  if (options === undefined) return varied
  return { ...varied, request: { ...varied.request, options: { ...call.request.options, ...options } } }
}
