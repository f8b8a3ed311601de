import type { Backend } from '../backends/backend.ts'
import type { Config } from '../config/config.ts'
import type { Connection } from '../connection.ts'
import type { Lease } from '../backends/lease.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Call, Reply, Service } from '../service.ts'
import { classify } from '../outcome/classify.ts'
import type { Judge } from '../outcome/crashes.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { ChatAttempt } from './chat-attempt.ts'
import { prefillExchange, rawExchange } from './continued-exchange.ts'
import { chatExchange } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import type { SilenceLimits } from './patience.ts'
import { renderFor } from './render-for.ts'

/** What the transport is built with. */
export interface OllamaTransportDeps {
  readonly config: Config
  readonly runtime: Runtime
  readonly telemetry: Pick<Telemetry, 'emit'>
  readonly connectionOf: (backend: Backend) => Connection
  readonly lookIntoMemory: (lease: Lease) => Promise<void>
  /** @default `classify`, which looks at nothing but the failure */
  readonly judge?: Judge
}

/** The bottom of the stack: one attempt on the leased backend, always streamed. */
export function createOllamaTransport(given: OllamaTransportDeps): Service {
  const { config, runtime, telemetry, connectionOf, lookIntoMemory, judge = classify } = given
  return (prepared, context) => {
    const { lease, continueFrom } = context
    if (lease === undefined) throw new Error('transport needs a lease: dispatch must stand above it')
    const call = prepared.latest === undefined ? prepared : { ...prepared, ...prepared.latest(lease.loadedWith) }
    const connection = connectionOf(lease.backend)
    const limits = silenceLimits(call, config)
    const send = (exchange: Exchange): Promise<Reply> => {
      const look = (): Promise<void> => lookIntoMemory(lease)
      const deps = {
        call,
        context,
        exchange,
        lease,
        connection,
        limits,
        runtime,
        telemetry,
        judge,
        lookIntoMemory: look,
      }
      return new ChatAttempt(deps).start()
    }
    if (continueFrom === undefined) return send(chatExchange(call))
    if (continueFrom.mode !== 'raw') return send(prefillExchange(call.request, continueFrom))
    const render = { call, context, lease, connection, runtime, limitMs: limits.quietMs }
    return renderFor(render).then((prompt) => send(rawExchange(call.request, continueFrom, prompt)))
  }
}

/** With tools or a format, Ollama holds text back until a piece is complete (F23). */
function silenceLimits(call: Call, config: Config): SilenceLimits {
  const structured = call.request.format !== undefined || (call.request.tools?.length ?? 0) > 0
  const quietMs = structured ? Math.max(config.structuredTimeoutMs, config.timeoutMs) : config.timeoutMs
  return { quietMs, loadMs: config.loadTimeoutMs, mayBeQuiet: structured }
}
