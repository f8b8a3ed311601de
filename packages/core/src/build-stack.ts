import type { Continuations } from './backends/continuations.ts'
import { createEnsureInstalled } from './backends/ensure-installed.ts'
import { hedgeGuards } from './backends/hedge-guards.ts'
import { lookIntoMemory } from './backends/memory-look.ts'
import { ModelContexts } from './backends/model-contexts.ts'
import { createAwaitReturn } from './backends/returns.ts'
import type { Roster } from './backends/roster.ts'
import { buildLadder } from './build-ladder.ts'
import type { BuiltExperiments } from './build-experiments.ts'
import type { Config } from './config/config.ts'
import type { AnswerCache } from './answer-store/answer-cache.ts'
import { createCache } from './layers/cache/cache.ts'
import { createDeadline } from './layers/deadline.ts'
import type { LocalModel } from './layers/degrade/degrade.ts'
import { createDispatch } from './layers/dispatch/dispatch.ts'
import type { Dispatcher } from './layers/dispatch/dispatcher.ts'
import { createHedge } from './layers/hedge/hedge.ts'
import { createObserve } from './layers/observe.ts'
import { createPrepare } from './layers/prepare/prepare.ts'
import { createResume } from './layers/resume/resume.ts'
import { RetryBudget } from './layers/retry/budget.ts'
import { createRetry } from './layers/retry/retry.ts'
import type { LoadOptions } from './load-options.ts'
import { Crashes } from './outcome/crashes.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { Call, Service } from './service.ts'
import { createStack } from './stack.ts'
import type { Telemetry } from './telemetry/telemetry.ts'
import { createOllamaTransport } from './transports/ollama.ts'

/** The long-lived parts that the layers share. */
export interface StackParts {
  readonly config: Config
  readonly runtime: Runtime
  readonly telemetry: Telemetry
  readonly roster: Roster
  readonly dispatcher: Dispatcher
  readonly loadOptions: LoadOptions
  readonly continuations: Continuations
  readonly transport: Service
  readonly experiments?: BuiltExperiments | undefined
  /** The answers that are kept, where they are. */
  readonly answers?: AnswerCache | undefined
  /** The model in this process, where one is configured. */
  readonly local?: LocalModel | undefined
}

type TransportParts = Pick<StackParts, 'config' | 'runtime' | 'telemetry' | 'roster'>

/** Gives each layer what it needs. What is not configured is not there. */
export function buildStack(parts: StackParts): Service {
  const {
    config,
    runtime,
    telemetry,
    roster,
    dispatcher,
    loadOptions,
    continuations,
    transport,
    experiments,
    answers,
  } = parts
  const { fleet } = roster
  const budget = new RetryBudget(config.retryBudget)
  const staleAnswer =
    answers !== undefined && config.degradeToCache
      ? (call: Call) => answers.staleAnswer(experiments?.varied(call) ?? call)
      : undefined
  return createStack({
    observe: createObserve(runtime, telemetry),
    deadline: createDeadline(runtime),
    degrade: buildLadder(parts, staleAnswer),
    experiment: experiments?.layer,
    prepare: createPrepare(config, { loadOptions, contexts: new ModelContexts(roster, runtime) }),
    cache: answers && createCache(config, { answers, runtime }),
    resume: createResume(config, {
      runtime,
      telemetry,
      going: continuations,
      takeBudget: (tenant) => budget.takeForResume(tenant),
    }),
    retry: createRetry(config, {
      runtime,
      telemetry,
      hasOther: (call, than, from) =>
        fleet.hasOther(
          call.model,
          than,
          from && ((backend) => continuations.canContinue(backend, call, from) !== 'no'),
        ),
      hasReady: (model, than) =>
        fleet.usable(model).some((backend) => !than.has(backend.name) && backend.readiness(model) === 'ready'),
      budget,
      awaitReturn: config.earlyClose && config.promptRetry ? createAwaitReturn(roster) : undefined,
    }),
    hedge: createHedge(config, { runtime, telemetry, ...hedgeGuards(roster, runtime.clock) }),
    dispatch: createDispatch(dispatcher, createEnsureInstalled(roster), continuations),
    transport,
  })
}

/** The bottom of the stack. */
export function buildTransport({ config, runtime, telemetry, roster }: TransportParts): Service {
  return createOllamaTransport({
    config,
    runtime,
    telemetry,
    connectionOf: (backend) => roster.of(backend).connection,
    judge: new Crashes(runtime.clock).judge,
    lookIntoMemory: ({ backend, model }) =>
      lookIntoMemory(backend, model, roster.of(backend).connection.calls, runtime),
  })
}
