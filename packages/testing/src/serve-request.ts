import type { IncomingMessage, ServerResponse } from 'node:http'
import { isAllowed } from './access.ts'
import type { Connection, Connections } from './connections.ts'
import type { Exchange, World } from './exchange.ts'
import type { FaultPlan } from './fault-plan.ts'
import { untilAborted } from './pause.ts'
import { createReply } from './reply.ts'
import { type LoggedRequest, remember } from './request-log.ts'
import { isGenerationRequest, route } from './router.ts'

/** The reason of a request that ended because its client left. */
class ClientGone extends Error {}

/** What serving needs beside the world. */
export interface ServeDeps {
  readonly world: World
  readonly connections: Connections
  readonly log: LoggedRequest[]
  readonly plan: () => FaultPlan
  /** Requests in progress, to end them when the server dies. */
  readonly running: Set<AbortController>
  /** Whether the port is closed, so that connections close after their answer. */
  readonly isRefusing: () => boolean
  /** Closes the port for a while. */
  readonly refuseFor: (ms: number) => void
}

/** Serves one request from its head to its end; never throws. */
export async function serveRequest(
  request: IncomingMessage,
  response: ServerResponse,
  connection: Connection,
  deps: ServeDeps,
): Promise<void> {
  const { world } = deps
  const method = request.method ?? ''
  const path = (request.url ?? '').split('?')[0] as string
  const isGeneration = isGenerationRequest(method, path)
  const isReused = connection.served++ > 0
  connection.active++
  const { fault, refuseNextForMs } = deps.plan().decide({ isGeneration, isReused })
  const tally = world.tally()
  tally.requests++
  tally.routes[path] = (tally.routes[path] ?? 0) + 1
  if (isGeneration) tally.chats++
  if (fault !== undefined) tally.faulted++
  const entry: LoggedRequest = {
    method,
    path,
    headers: request.headers,
    socketId: connection.id,
    reused: isReused,
    fault: fault?.kind,
    body: undefined,
  }
  remember(deps.log, entry)

  const control = new AbortController()
  const { signal } = control
  deps.running.add(control)
  const gone = (): void => control.abort(new ClientGone())
  response.once('close', gone)

  let isDoomed = refuseNextForMs !== undefined
  const beforeEnd = (): void => {
    if (isDoomed) deps.refuseFor(refuseNextForMs as number)
    isDoomed = false
  }
  const reply = createReply(response, fault, signal, {
    closeAfter: () => refuseNextForMs !== undefined || deps.isRefusing(),
    beforeEnd,
  })
  let exchange: Exchange | undefined
  try {
    if (fault?.kind === 'reset-before-headers' || fault?.kind === 'reset-reused') return reply.reset()
    if (!isAllowed(request.headers)) return await reply.send(403, [], '')
    const body = await readBody(request, signal)
    entry.body = parsed(body)
    exchange = { method, path, fault, signal, reply, body }
    if (fault?.kind === 'hang') await untilAborted(signal)
    if (fault?.kind === 'not-http') return reply.raw(fault.text ?? 'NOT HTTP AT ALL\r\n\r\n')
    if (await route(exchange, world)) tally.answered++
  } catch (error) {
    if (signal.reason instanceof ClientGone) tally.canceled += isGeneration ? 1 : 0
    else if (!signal.aborted) await failLoudly(reply, error)
  } finally {
    if (exchange !== undefined) world.stalled.delete(exchange)
    response.off('close', gone)
    deps.running.delete(control)
    connection.active--
    beforeEnd()
    if (deps.isRefusing()) deps.connections.close(connection)
  }
}

async function readBody(request: IncomingMessage, signal: AbortSignal): Promise<string> {
  const pieces: Buffer[] = []
  await new Promise<void>((resolve, reject) => {
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.once('end', resolve)
    request.once('error', reject)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  return Buffer.concat(pieces).toString()
}

function parsed(body: string): unknown {
  if (body === '') return undefined
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

/** An error of the test's own code, such as its `answers`, must be seen and not look like a hang. */
async function failLoudly(reply: ReturnType<typeof createReply>, error: unknown): Promise<void> {
  if (reply.hasBegun) return reply.cut()
  await reply.json(500, { error: `stand-in: ${String(error)}` }, 'charset').catch(() => reply.cut())
}
