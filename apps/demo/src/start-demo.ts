import { createSurefoot, readConfig, type Config, type SurefootConfig } from '@surefoot/core'
import { createServer } from '@surefoot/server'
import { createStandIn } from '@surefoot/testing'

import { countAnswers } from './answer-counts.ts'
import { isSameModel, type ChosenBackend } from './choose-backend.ts'
import { addDemoRoutes, type TestSettings } from './demo-routes.ts'
import { createFaultProxy } from './fault-proxy.ts'
import { combineFaults, createBeat, type FaultSwitch } from './fault-switch.ts'
import { addMentorRoutes, mentorErrors } from './mentor/mentor-routes.ts'
import { scriptedAnswer, shorterAnswer, textToTokens } from './mentor/scripted-answers.ts'
import { onNextFreePort } from './next-free-port.ts'
import { addPageRoutes, type PageFiles } from './page-files.ts'
import { withShownAddresses, type DemoBackend } from './shared/demo-api.ts'
import { shownUrl } from './shown-url.ts'

/** What the demo is started with. */
export interface DemoOptions {
  readonly backend: ChosenBackend
  /** The wanted port; the next free one is taken if it is not. */
  readonly port: number
  readonly page: PageFiles
  /** Settings of Surefoot; what the demo knows better (backends, model) is put in. */
  readonly config?: SurefootConfig
  /** The stand-in's pace. */
  readonly pace?: { readonly firstTokenMs: number; readonly tokensPerSecond: number }
  readonly test?: Partial<TestSettings>
}

/** A running demo. */
export interface Demo extends AsyncDisposable {
  readonly url: string
  readonly port: number
}

/** About what a small model does on a laptop. */
const STAND_IN_PACE = { firstTokenMs: 300, tokensPerSecond: 40 }
/** With one slot each: what one of them cannot do, another one can, and a line forms behind them. */
const STAND_INS = 3

/** The stand-in answers after 0.3 s, so that two seconds of silence are a hang; of a real model one knows no such thing. */
const STAND_IN_SETTINGS: SurefootConfig = { slots: 1, timeoutMs: 2000, retryDelayMs: 250 }

/**
 * Everything that decides how an answer comes about, to be seen at work. Of a real Ollama the operator says what it is to
 * answer with.
 */
function standInAnswers(model: string): SurefootConfig {
  return {
    cache: true,
    degradeModels: [isSameModel(model, SMALLER_MODEL) ? OTHER_SMALLER_MODEL : SMALLER_MODEL],
    degradeToCache: true,
    experiments: [
      {
        name: 'voice',
        goal: 'feedback',
        variants: [
          { name: 'calm', model, options: { temperature: 0.3 } },
          { name: 'lively', model, options: { temperature: 1 } },
        ],
      },
    ],
  }
}

const SMALLER_MODEL = 'llama3.2:1b'
const OTHER_SMALLER_MODEL = 'smollm2:135m'

/**
 * A person before a page would rather be told that nothing answers than wait on, so both patiences are half or less.
 * And where every second answer is cut on purpose, one of twenty calls meets four cuts in a row now and then: chance,
 * which more tries rule out.
 */
const DEMO_SETTINGS: SurefootConfig = { waitForReadyMs: 5000, maxRetries: 12, timeoutMs: 30_000 }

const REAL_TEST: TestSettings = { tokens: 40, patienceMs: 5000, restartMs: 1000 }
/** Answers of 24 tokens and fewer are not cut; see the fault proxy. */
const STAND_IN_TEST: TestSettings = { tokens: 25, patienceMs: 3000, restartMs: 1000 }

/** Puts the demo together: backend, faults, Surefoot, server, routes. Closing it closes all of them. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  await using parts = new AsyncDisposableStack()
  const { backend } = options
  const isReal = backend.kind === 'real'
  const { model } = backend
  const settings: SurefootConfig = {
    ...DEMO_SETTINGS,
    ...(!isReal && { ...STAND_IN_SETTINGS, ...standInAnswers(model) }),
    ...options.config,
    model,
  }
  const config = readConfig(settings, process.env)
  const opened = isReal
    ? await openProxies(backend.urls, model, parts)
    : await openStandIns(modelsOf(config), options.pace ?? STAND_IN_PACE, parts)
  const backends = opened.map(({ faults: _faults, ...shown }) => shown)
  const faults = combineFaults(opened.map((one) => one.faults))

  const surefoot = parts.use(createSurefoot({ ...settings, backends: backends.map(({ url }) => url) }))
  const answers = countAnswers(surefoot.telemetry)
  const closing = new AbortController()
  const about = {
    kind: backend.kind,
    backends,
    model,
    note: backend.note,
    ladder: { models: config.degradeModels, cache: config.degradeToCache },
    hasCache: config.cache,
  }
  const server = await onNextFreePort(options.port, (port) =>
    createServer({
      surefoot,
      port,
      drainMs: 2000,
      extraErrors: mentorErrors,
      extraRoutes(app, gated) {
        addMentorRoutes(app, {
          surefoot: gated,
          model,
          withShownAddresses: (text) => withShownAddresses(text, backends),
        })
        addDemoRoutes(app, {
          surefoot: gated,
          faults,
          drains: surefoot,
          about,
          answers,
          cache: () => surefoot.cache,
          test: { ...(isReal ? REAL_TEST : STAND_IN_TEST), ...options.test },
          signal: closing.signal,
        })
        addPageRoutes(app, options.page)
      },
    }),
  )
  parts.use(server)
  parts.defer(() => closing.abort())

  const owned = parts.move()
  return { url: server.url, port: server.port, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

interface OpenBackend extends DemoBackend {
  readonly faults: FaultSwitch
}

/** All models that may be asked, the one that answers when none is named first. */
function modelsOf({ model, degradeModels, experiments }: Config): [string, ...string[]] {
  const tried = experiments.flatMap(({ variants, shadow }) => [...variants, ...(shadow === undefined ? [] : [shadow])])
  const others = [...degradeModels, ...tried.map((variant) => variant.model)]
  return [model, ...others.filter((name, at) => others.indexOf(name) === at && !isSameModel(name, model))]
}

async function openStandIns(
  models: readonly [string, ...string[]],
  pace: { readonly firstTokenMs: number; readonly tokensPerSecond: number },
  parts: AsyncDisposableStack,
): Promise<OpenBackend[]> {
  const standIns = await Promise.all(
    Array.from({ length: STAND_INS }, () =>
      createStandIn({
        ...pace,
        models: models.map((name, at) => ({ name, digest: digestOf(at) })),
        answers: ({ prompt, model }) =>
          textToTokens(isSameModel(model, models[0]) ? scriptedAnswer(prompt) : shorterAnswer(prompt)),
      }),
    ),
  )
  for (const standIn of standIns) parts.use(standIn)
  const urls = standIns.map(({ url }) => url)
  // Nobody knows a stand-in by its own address: it goes by that of its proxy.
  return (await openProxies(urls, models[0], parts)).map((opened) => ({ ...opened, shownAs: opened.url }))
}

/** Models of one digest would be one model under several names. */
function digestOf(at: number): string {
  return `${at + 1}`.padStart(64, '0')
}

/** A fault proxy before each Ollama. */
async function openProxies(
  urls: readonly string[],
  model: string,
  parts: AsyncDisposableStack,
): Promise<OpenBackend[]> {
  const beat = createBeat()
  const proxies = await Promise.all(urls.map((url) => createFaultProxy(url, { model, beat })))
  return proxies.map((proxy, index) => {
    parts.use(proxy)
    return { url: proxy.url, shownAs: shownUrl(urls[index] as string), faults: proxy }
  })
}
