import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Connection, createConnections } from './connections.ts'
import { emptyTally, type StandInCounts, type Tally } from './counts.ts'
import type { World } from './exchange.ts'
import type { Fault } from './fault.ts'
import { createFaultPlan, type FaultPlan } from './fault-plan.ts'
import { createListener } from './listener.ts'
import { createMemory } from './memory.ts'
import { type CompleteSettings, completeSettings, type StandInOptions, type StandInSettings } from './options.ts'
import { createSeededRandom } from './random.ts'
import type { LoggedRequest } from './request-log.ts'
import { type ServeDeps, serveRequest } from './serve-request.ts'
import { createSlots } from './slots.ts'

/** A running stand-in Ollama. */
export interface StandIn extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string
  readonly port: number
  /** Whether the port is open now. */
  readonly listening: boolean
  /** What was counted, as of now. */
  readonly counts: StandInCounts
  /** The last 1000 requests, oldest first. */
  readonly log: readonly LoggedRequest[]
  /** Changes settings; what is left out stays. What is already generating keeps its answer and its pace. */
  set(settings: StandInSettings): void
  /** Switches faults on (in a list the first match wins) or, without any, off; resolves when the port is as it should be. */
  fault(fault?: Fault | readonly Fault[]): Promise<void>
  /** Sets counters to zero and empties the log. */
  reset(): void
  /** Dies as by kill -9 and comes back on the same port after `downMs` (default 0); resolves when it is back. */
  restart(options?: { downMs?: number }): Promise<void>
  /** Ends everything at once; nothing of it keeps running. */
  close(): Promise<void>
}

/**
 * Starts an HTTP server on 127.0.0.1 that answers as Ollama does, byte for byte, and misbehaves on demand.
 *
 * @example
 * await using ollama = await createStandIn({ answers: { '*': 'Hello there.' } })
 * await ollama.fault(faults.errorLine({ every: 2, afterTokens: 1 }))
 * const response = await fetch(`${ollama.url}/api/chat`, { method: 'POST', body: '{"model":"llama3.2","messages":[]}' })
 */
export async function createStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const { port = 0, seed = 1, ...given } = options
  const random = createSeededRandom(seed)
  const connections = createConnections()
  const running = new Set<AbortController>()
  const waits = new Map<NodeJS.Timeout, () => void>()
  const windows = new Set<string>()
  const log: LoggedRequest[] = []
  let settings: CompleteSettings = completeSettings(given)
  let chosen: StandInSettings = given
  let tally: Tally = emptyTally()
  let plan: FaultPlan = createFaultPlan([], random)
  let bytesBefore = 0
  let isClosed = false

  const world: World = {
    settings: () => settings,
    tally: () => tally,
    memory: createMemory(
      () => settings,
      () => tally,
    ),
    slots: createSlots(() => settings.slots),
    random,
    stalled: new Set(),
  }

  // Handed its connections by the listener, so that the port can close without touching them.
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })
  const listener = await createListener(port, (socket: Socket) => {
    tally.connections++
    connections.add(socket)
    server.emit('connection', socket)
  })

  const later = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => {
        waits.delete(timer)
        resolve()
      }, ms)
      waits.set(timer, resolve)
    })

  const endWindow = async (reason: string): Promise<void> => {
    if (windows.delete(reason)) await listener.reopen(reason)
  }

  const refuseFor = (ms: number): void => {
    if (isClosed) return
    const reason = `window ${++tally.refusedWindows} at ${performance.now()}`
    windows.add(reason)
    listener.close(reason)
    connections.closeIdle()
    void later(ms).then(() => endWindow(reason))
  }

  const deps: ServeDeps = {
    world,
    connections,
    log,
    running,
    plan: () => plan,
    isRefusing: () => !listener.isListening,
    refuseFor,
  }
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    void serveRequest(request, response, connections.of(request.socket) as Connection, deps)
  })
  // What is no HTTP, or a connection that breaks while it is idle, ends without a word.
  server.on('clientError', (_error, socket) => socket.destroy())

  const die = (): void => {
    for (const control of running) control.abort(new Error('the stand-in was stopped'))
    connections.destroyAll()
    world.memory.clear()
  }

  const standIn: StandIn = {
    get url() {
      return `http://127.0.0.1:${listener.port}`
    },
    get port() {
      return listener.port
    },
    get listening() {
      return listener.isListening
    },
    get counts() {
      return {
        ...tally,
        routes: { ...tally.routes },
        openConnections: connections.openCount,
        openRequests: running.size,
        bytes: connections.bytesWritten - bytesBefore,
      }
    },
    log,
    set(changes) {
      chosen = { ...chosen, ...changes }
      settings = completeSettings(chosen)
      world.slots.refresh()
    },
    async fault(fault) {
      plan = createFaultPlan(fault === undefined ? [] : [fault].flat(), random)
      await Promise.all([...windows].map(endWindow))
      if (!plan.isClosed) return await listener.reopen('refuse')
      if (listener.isListening) tally.refusedWindows++
      listener.close('refuse')
      connections.closeIdle()
    },
    reset() {
      tally = emptyTally()
      bytesBefore = connections.bytesWritten
      log.length = 0
    },
    async restart({ downMs = 0 } = {}) {
      listener.close('restart')
      die()
      await later(downMs)
      await listener.reopen('restart')
    },
    async close() {
      isClosed = true
      listener.close('closed')
      die()
      for (const [timer, resolve] of waits) {
        clearTimeout(timer)
        resolve()
      }
      while (connections.openCount > 0) await new Promise<void>((resolve) => setImmediate(resolve))
    },
    [Symbol.asyncDispose]: () => standIn.close(),
  }
  return standIn
}
