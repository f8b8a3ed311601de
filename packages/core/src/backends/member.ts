import type { Config } from '../config/config.ts'
import type { Connect, Connection } from '../connection.ts'
import type { LoadOptions } from '../load-options.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { Backend } from './backend.ts'
import type { Provable } from './continuation-proof.ts'
import { HealthCache } from './health.ts'
import { Loader } from './loader.ts'
import { postWhole } from './post-whole.ts'
import { Prober } from './prober.ts'
import { Watcher } from './watcher.ts'

/** One backend with all that looks after it. */
export interface Member {
  readonly backend: Backend
  readonly connection: Connection
  readonly health: HealthCache
  readonly provable: Provable
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
  /** Whether a backend other than those could take a call for this model. */
  readonly hasOther: (model: string, than: ReadonlySet<string>) => boolean
  /** With which options a model is loaded. */
  readonly loadOptions: LoadOptions
}

export function createMember(url: string, deps: MemberDeps): Member {
  const { config, runtime, telemetry, connect, isWaitedFor, loadOptions, hasOther } = deps
  const backend = new Backend(url, config, runtime, telemetry)
  const connection = connect(url, config)
  const health = new HealthCache(backend, connection.calls, { model: config.model, ttlMs: config.healthTtlMs }, runtime)
  const { loadTimeoutMs } = config
  const loader = new Loader({ backend, connection, runtime, telemetry, loadTimeoutMs, loadOptions })
  backend.loader = loader
  const watcher = new Watcher({
    backend,
    connection,
    health,
    runtime,
    limits: config,
    loadOptions,
    hasOther: (model) => hasOther(model, new Set([backend.name])),
  })
  backend.watcher = watcher
  const prober = config.earlyClose ? new Prober(backend, connection.calls, runtime, isWaitedFor) : undefined
  return {
    backend,
    connection,
    health,
    provable: {
      backend,
      identityOf: (model) => health.identityOf(model),
      recheck: () => health.recheck(),
      ask: (limitMs, signal) => (path, body) => postWhole(connection, path, body, { limitMs, signal, runtime }),
    },
    prober,
    async close() {
      prober?.close()
      backend.zombies.close()
      loader.close()
      watcher.close()
      await connection.close()
    },
  }
}
