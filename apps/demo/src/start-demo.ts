import { createSurefoot, type SurefootConfig } from '@surefoot/core'
import { createServer } from '@surefoot/server'
import { createStandIn } from '@surefoot/testing'

import type { ChosenBackend } from './choose-backend.ts'
import { addDemoRoutes, type TestSettings } from './demo-routes.ts'
import { createFaultProxy } from './fault-proxy.ts'
import { combineFaults, type FaultSwitch } from './fault-switch.ts'
import { addMentorRoutes, mentorErrors } from './mentor/mentor-routes.ts'
import { scriptedAnswer, textToTokens } from './mentor/scripted-answers.ts'
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
  const opened = isReal
    ? await openProxies(backend.urls, parts)
    : await openStandIns(backend.model, options.pace ?? STAND_IN_PACE, parts)
  const backends = opened.map(({ faults: _faults, ...shown }) => shown)
  const faults = combineFaults(opened.map((one) => one.faults))

  const surefoot = parts.use(
    createSurefoot({
      ...DEMO_SETTINGS,
      ...(!isReal && STAND_IN_SETTINGS),
      ...options.config,
      backends: backends.map(({ url }) => url),
      model: backend.model,
    }),
  )
  const closing = new AbortController()
  const about = { kind: backend.kind, backends, model: backend.model, note: backend.note }
  const server = await onNextFreePort(options.port, (port) =>
    createServer({
      surefoot,
      port,
      drainMs: 2000,
      extraErrors: mentorErrors,
      extraRoutes(app, gated) {
        addMentorRoutes(app, {
          surefoot: gated,
          model: backend.model,
          withShownAddresses: (text) => withShownAddresses(text, backends),
        })
        addDemoRoutes(app, {
          surefoot: gated,
          faults,
          drains: surefoot,
          about,
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

async function openStandIns(
  model: string,
  pace: { readonly firstTokenMs: number; readonly tokensPerSecond: number },
  parts: AsyncDisposableStack,
): Promise<OpenBackend[]> {
  const standIns = await Promise.all(
    Array.from({ length: STAND_INS }, () =>
      createStandIn({
        ...pace,
        models: [{ name: model }],
        answers: (request) => textToTokens(scriptedAnswer(request.prompt)),
      }),
    ),
  )
  for (const standIn of standIns) parts.use(standIn)
  const urls = standIns.map(({ url }) => url)
  // Nobody knows a stand-in by its own address: it goes by that of its proxy.
  return (await openProxies(urls, parts)).map((opened) => ({ ...opened, shownAs: opened.url }))
}

/** A fault proxy before each Ollama. */
async function openProxies(urls: readonly string[], parts: AsyncDisposableStack): Promise<OpenBackend[]> {
  const proxies = await Promise.all(urls.map((url) => createFaultProxy(url)))
  return proxies.map((proxy, index) => {
    parts.use(proxy)
    return { url: proxy.url, shownAs: shownUrl(urls[index] as string), faults: proxy }
  })
}
