import { randomUUID } from 'node:crypto'

import { SurefootError, createChat } from '@surefoot/protocol'
import type { Run, Surefoot } from '@surefoot/protocol'
import { destination, pino } from 'pino'
import type { Logger } from 'pino'

import type { CacheStats } from './answer-store/answer-cache.ts'
import { stateForPeople } from './backends/backend-state.ts'
import { Continuations } from './backends/continuations.ts'
import { Discovery } from './backends/discovery.ts'
import type { Resolve } from './backends/discovery.ts'
import { createMember } from './backends/member.ts'
import { Roster } from './backends/roster.ts'
import { buildAnswers, requireStore } from './build-answers.ts'
import { buildExperiments } from './build-experiments.ts'
import { buildStack, buildTransport } from './build-stack.ts'
import type { SurefootConfig } from './config/config.ts'
import { readBackends, readConfig } from './config/read-config.ts'
import type { Connect } from './connection.ts'
import type { LoadEmbedded } from './embedded/engine.ts'
import { openLocalModel } from './embedded/open-local-model.ts'
import { healthReport, modelInfos } from './health-report.ts'
import { Dispatcher } from './layers/dispatch/dispatcher.ts'
import { LoadOptions } from './load-options.ts'
import { runCall } from './run-call.ts'
import { abortable } from './runtime/abortable.ts'
import type { Runtime } from './runtime/runtime.ts'
import { systemRuntime } from './runtime/system.ts'
import { logTelemetry } from './telemetry/log.ts'
import { createTelemetry } from './telemetry/telemetry.ts'
import type { Telemetry } from './telemetry/telemetry.ts'
import { connect as connectByUndici } from './transports/connect.ts'
import { resolve as resolveBySystem } from './transports/resolve.ts'

/** What can be put in the place of the real things. */
export interface SurefootDeps {
  /** @default the real clock, timers and randomness */
  readonly runtime?: Runtime
  /** @default pino at `logLevel`, on standard error */
  readonly logger?: Logger
  /** @default `process.env` */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** @default `crypto.randomUUID` */
  readonly createId?: () => string
  /** The way to each backend. @default an undici pool for chats and a small one for probes */
  readonly connect?: Connect
  /** All addresses of a host name, for `dns+http://` backends. @default the system's, by `node:dns` */
  readonly resolve?: Resolve
  /** Loads the model of the setting `localModel`. @default with the package `node-llama-cpp` */
  readonly loadEmbedded?: LoadEmbedded
}

/** A Surefoot that lives in this process; it can also be listened to. */
export interface LocalSurefoot extends Surefoot {
  /** What happens inside: calls, failed attempts, breakers. */
  readonly telemetry: Pick<Telemetry, 'on'>
  /** What the cache holds and has done; `undefined` where no answers are kept. */
  readonly cache: CacheStats | undefined
  /**
   * Sends no new call to this backend; what runs there ends. Its health is still looked after.
   *
   * @throws SurefootError `INVALID_REQUEST` that names the known ones.
   */
  drain(url: string): void
  /** Takes `drain` back. @throws SurefootError `INVALID_REQUEST` that names the known ones. */
  undrain(url: string): void
  /**
   * From now on these backends, in the form of the setting `backends`. Those that stay keep all that is known of them;
   * those that go get no new call, answer to the end what they have begun, and are then closed.
   *
   * @throws SurefootError `INVALID_CONFIG` that names the value and what is allowed; `SHUTTING_DOWN` after `close()`.
   */
  setBackends(backends: string | readonly string[]): void
}

/**
 * Makes the one long-lived object that all calls of a process share.
 *
 * Settings come from `config`, else from the environment (`OLLAMA_BASE_URL`, `OLLAMA_MODEL`, …), else from the preset,
 * else from the defaults; see the configuration reference.
 *
 * @throws SurefootError `INVALID_CONFIG` that names the setting, its value and the allowed range.
 * @example
 * ```ts
 * await using surefoot = createSurefoot({ backends: 'http://127.0.0.1:11434' })
 * const answer = await surefoot.chat('What is water?', { system: 'You are a teacher for Class 1.' })
 * console.log(answer.message.content)
 * ```
 */
export function createSurefoot(given: SurefootConfig = {}, deps: SurefootDeps = {}): LocalSurefoot {
  const { runtime = systemRuntime, createId = randomUUID, env = process.env, connect = connectByUndici } = deps
  const { resolve = resolveBySystem } = deps
  const config = readConfig(given, env)
  requireStore(config)
  const { localModel } = config
  const local = localModel === undefined ? undefined : openLocalModel(localModel, runtime, deps.loadEmbedded)
  const logger = deps.logger ?? pino({ level: config.logLevel, base: null }, destination({ dest: 2, sync: true }))
  const telemetry = createTelemetry((fault) => logger.error(fault, 'A telemetry listener failed'))
  logTelemetry(telemetry, logger)

  const loadOptions = new LoadOptions(runtime.clock)
  const hasOther = (model: string, than: ReadonlySet<string>): boolean => fleet.hasOther(model, than)
  const memberDeps = {
    config,
    runtime,
    telemetry,
    connect,
    isWaitedFor: () => dispatcher.isWaitedFor,
    hasOther,
    loadOptions,
  }
  const roster: Roster = new Roster((url) => createMember(url, memberDeps), telemetry)
  const { fleet } = roster
  const dispatcher: Dispatcher = new Dispatcher(fleet, config, runtime, () => {
    for (const { prober } of roster.members) prober?.hurry()
  })
  const discovery = new Discovery({
    resolve,
    runtime,
    onFound: (urls) => {
      if (roster.set(urls)) loadOptions.backendsChanged()
    },
  })
  discovery.set(config.backends)

  const continuations = new Continuations({
    runtime,
    provables: () => roster.members.map(({ provable }) => provable),
    isBusy: () => dispatcher.waiting > 0,
  })
  const parts = { config, runtime, telemetry, roster, dispatcher, loadOptions, continuations, local }
  const transport = buildTransport(parts)
  const experiments = buildExperiments(parts, transport)
  const answers = buildAnswers(parts)
  const stack = buildStack({ ...parts, transport, experiments, answers })

  const running = new Set<Promise<unknown>>()
  let closing: Promise<void> | undefined
  const admit = (): void => {
    if (closing !== undefined) {
      throw new SurefootError({
        code: 'SHUTTING_DOWN',
        message: 'Surefoot is shutting down and takes no new calls.',
        retryAfterMs: 1_000,
      })
    }
  }
  const run: Surefoot['run'] = (input, options = {}): Run => {
    const started = runCall(input, options, { stack, config, runtime, createId, admit })
    const ended = started.ended.finally(() => running.delete(ended))
    running.add(ended)
    return started.run
  }
  const close = async (): Promise<void> => {
    discovery.close()
    experiments?.close()
    await Promise.all(running)
    continuations.close()
    await Promise.all([roster.close(), local?.close(), answers?.close()])
  }

  telemetry.emit({ type: 'client-init', backends: fleet.backends.map(({ name }) => name), model: config.model })
  return {
    run,
    chat: createChat(run),
    async health({ force = false, signal } = {}) {
      const parts = await Promise.all(
        roster.members.map(async ({ backend, health }) => {
          const { health: found, ageMs } = await abortable(health.health(force), signal)
          const breaker = backend.breakerStatus(fleet.isLast(backend, config.model))
          return { ...found, breaker, ageMs, isWedged: backend.liveness.wedged !== undefined }
        }),
      )
      return healthReport(config.model, parts, dispatcher.waiting)
    },
    async models({ signal } = {}) {
      const lists = await Promise.all(
        roster.members.map(async ({ backend, health }) => ({
          backend: backend.name,
          tags: await abortable(health.tags(false), signal),
        })),
      )
      const read = lists.flatMap(({ backend, tags }) => (tags === undefined ? [] : [{ backend, tags }]))
      if (read.length > 0) return modelInfos(read)
      const names = fleet.backends.map(({ name }) => name).join(', ') || 'any address: no backend is known yet'
      throw new SurefootError({ code: 'CANNOT_CONNECT', message: `Cannot connect to Ollama at ${names}` })
    },
    backends: async () =>
      roster.members.map(({ backend, connection, health }) => ({
        url: backend.name,
        state: stateForPeople(backend, fleet),
        draining: backend.draining,
        breaker: backend.breakerStatus(fleet.isLast(backend, config.model)),
        inFlight: backend.slots.held,
        slots: backend.slots.sizeOf(config.model),
        sockets: connection.sockets,
        attempts: { ...backend.attempts },
        ...(health.last !== undefined && { health: health.last }),
      })),
    experiments: async () => experiments?.report() ?? [],
    feedback: async (runId, isGood) => experiments?.feedback(runId, isGood) ?? false,
    drain: (url) => {
      roster.named(url).backend.draining = true
    },
    undrain: (url) => {
      roster.named(url).backend.draining = false
    },
    setBackends: (backends) => {
      admit()
      discovery.set(readBackends(backends))
    },
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]() {
      return this.close()
    },
    telemetry,
    get cache() {
      return answers?.stats
    },
  }
}
