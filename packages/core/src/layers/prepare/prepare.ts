import type { ModelContexts } from '../../backends/model-contexts.ts'
import type { Config } from '../../config/config.ts'
import type { LoadOptions } from '../../load-options.ts'
import type { Call, Layer } from '../../service.ts'
import { ContextGuard } from './context-guard.ts'
import type { ContextGuardDeps } from './context-guard.ts'
import { Outgoing } from './outgoing.ts'

/** What the layer is built with. */
export interface PrepareDeps extends ContextGuardDeps {
  /** One set of load-relevant options for all calls of a model. */
  readonly loadOptions: ContextGuardDeps['loadOptions'] & Pick<LoadOptions, 'unify' | 'merge'>
  readonly contexts: ContextGuardDeps['contexts'] & Pick<ModelContexts, 'digestOf'>
}

/**
 * What queue, cache and transport need to know of a call: what its model's tag stands for, one set of load options for its
 * model, and the request printed once. A prompt is never cut in silence: see {@link ContextGuard}.
 */
export function createPrepare(options: Pick<Config, 'contextGuard' | 'maxContext'>, deps: PrepareDeps): Layer {
  const guard = options.contextGuard ? new ContextGuard(options.maxContext, deps) : undefined
  return (next) => async (given, context) => {
    const isGuarded = guard !== undefined && mayBeGuarded(given)
    // An Ollama that does not know the field ignores it. `shift: false` is not sent: newer ones load the model anew for it.
    const request = isGuarded ? { ...given.request, truncate: false } : given.request
    const outgoing = new Outgoing(given.model, request, deps.loadOptions)
    const { latest } = outgoing
    const call: Call = { ...given, ...latest(), latest, digest: deps.contexts.digestOf(given.model) }
    return isGuarded ? await guard.ask(next, call, outgoing, context) : await next(call, context)
  }
}

/** Who says `truncate: true` asks for the cut. */
function mayBeGuarded({ kind, request }: Call): boolean {
  return kind === 'chat' && (request['truncate'] ?? false) === false
}
