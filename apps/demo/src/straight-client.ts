import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

/** How one question of the reliability test ended. */
export interface TestOutcome {
  readonly ok: boolean
  readonly tookMs: number
  /** The model that answered in the place of the one that was asked. */
  readonly otherModel?: string
  readonly problem?: string
}

/** A question of the reliability test. */
export interface StraightQuestion {
  readonly url: string
  readonly body: Readonly<Record<string, unknown>>
  /** The longest silence it bears, in milliseconds. */
  readonly patienceMs: number
  readonly signal: AbortSignal
}

/**
 * Asks the backend as an app without Surefoot does: a new connection, one try, a timeout. What it counts as an answer
 * is strict all the same: only an answer that says `done` is whole.
 */
export async function askStraight(question: StraightQuestion): Promise<TestOutcome> {
  const startedAtMs = performance.now()
  const problem = await problemOf(question)
  const tookMs = performance.now() - startedAtMs
  return problem === undefined ? { ok: true, tookMs } : { ok: false, tookMs, problem }
}

function problemOf({ url, body, patienceMs, signal }: StraightQuestion): Promise<string | undefined> {
  return new Promise((resolve) => {
    const open = url.startsWith('https:') ? httpsRequest : httpRequest
    const request = open(`${url}/api/chat`, {
      method: 'POST',
      agent: false,
      signal,
      headers: { 'content-type': 'application/json' },
    })
    let silent = false
    request.setTimeout(patienceMs, () => {
      silent = true
      request.destroy()
    })
    const cut = (): void => resolve(silent ? silence(patienceMs) : 'The answer was cut off in the middle.')
    request.on('error', (error) => resolve(silent ? silence(patienceMs) : problemFromError(error)))
    request.on('response', (response) => {
      let tail = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        tail = (tail + text).slice(-4096)
      })
      response.on('error', cut)
      response.on('end', () => {
        if (response.statusCode !== 200) resolve(`The backend answered with HTTP ${response.statusCode}.`)
        else resolve(/"done": ?true/.test(tail) ? undefined : 'The answer ended without being whole.')
      })
    })
    request.end(JSON.stringify({ ...body, stream: true }))
  })
}

function silence(patienceMs: number): string {
  return `No answer within ${Number((patienceMs / 1000).toFixed(1))} s.`
}

function problemFromError(error: NodeJS.ErrnoException): string {
  if (error.name === 'AbortError') return 'Stopped.'
  if (error.code === 'ECONNREFUSED') return 'The connection was refused.'
  if (error.code === 'ECONNRESET') return 'The connection was reset.'
  return `The connection failed (${error.code ?? error.message}).`
}
