import type { Config } from '../config/config.ts'
import type { Connection } from '../connection.ts'
import type { Lease } from '../backends/lease.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Call, Service } from '../service.ts'
import { ChatAttempt } from './chat-attempt.ts'
import type { SilenceLimits } from './patience.ts'

/** What the transport is built with. */
export interface OllamaTransportDeps {
  readonly config: Config
  readonly runtime: Runtime
  readonly connectionOf: (backend: string) => Connection
  readonly lookIntoMemory: (lease: Lease) => Promise<void>
}

/** The bottom of the stack: one attempt on the leased backend, always streamed. */
export function createOllamaTransport({ config, runtime, connectionOf, lookIntoMemory }: OllamaTransportDeps): Service {
  return (call, context) => {
    const { lease } = context
    if (lease === undefined) throw new Error('transport needs a lease: dispatch must stand above it')
    const attempt = new ChatAttempt({
      call,
      context,
      lease,
      connection: connectionOf(lease.backend.name),
      limits: silenceLimits(call, config),
      runtime,
      lookIntoMemory: () => lookIntoMemory(lease),
    })
    attempt.start()
    return attempt.reply
  }
}

/** With tools or a format, Ollama holds text back until a piece is complete (F23). */
function silenceLimits(call: Call, config: Config): SilenceLimits {
  const structured = call.request.format !== undefined || (call.request.tools?.length ?? 0) > 0
  const quietMs = structured ? Math.max(config.structuredTimeoutMs, config.timeoutMs) : config.timeoutMs
  return { quietMs, loadMs: config.loadTimeoutMs }
}
