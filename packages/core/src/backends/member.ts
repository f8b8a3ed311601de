import type { Config } from '../config/config.ts'
import type { Connect, Connection } from '../connection.ts'
import type { LoadOptions } from '../load-options.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { Backend } from './backend.ts'
import { HealthCache } from './health.ts'
import { Loader } from './loader.ts'
import { Prober } from './prober.ts'

/** One backend with all that looks after it. */
export interface Member {
  readonly backend: Backend
  readonly connection: Connection
  readonly health: HealthCache
  /** Absent where the breaker keeps its full time. */
  readonly prober: Prober | undefined
  close(): Promise<void>
}

/** What members are made with. */
export interface MemberDeps {
  readonly config: Config
  readonly runtime: Runtime
  readonly telemetry: Telemetry
  readonly connect: Connect
  /** Whether calls wait for a backend to come back. */
  readonly isWaitedFor: () => boolean
  /** With which options a model is loaded. */
  readonly loadOptions: LoadOptions
}

export function createMember(url: string, deps: MemberDeps): Member {
  const { config, runtime, telemetry, connect, isWaitedFor, loadOptions } = deps
  const backend = new Backend(url, config, runtime, telemetry)
  const connection = connect(url, config)
  const health = new HealthCache(backend, connection.calls, { model: config.model, ttlMs: config.healthTtlMs }, runtime)
  const { loadTimeoutMs } = config
  const loader = new Loader({ backend, connection, runtime, loadTimeoutMs, loadOptions })
  backend.loader = loader
  const prober = config.earlyClose ? new Prober(backend, connection.calls, runtime, isWaitedFor) : undefined
  return {
    backend,
    connection,
    health,
    prober,
    async close() {
      prober?.close()
      loader.close()
      await connection.close()
    },
  }
}
