import { ERROR_CODES, SurefootError, surefootErrorFromJson } from '@surefoot/protocol'
import type { ErrorCode, HealthReport } from '@surefoot/protocol'

import { sendJson } from './send-json.ts'
import type { JsonReply } from './send-json.ts'
import type { Target } from './target.ts'

const WHICH_URL = 'Give --url the address that `surefoot serve` prints when it is ready.'

/** A Surefoot server elsewhere: its health over tRPC, the questions through Ollama's API. */
export function createRemoteTarget(url: string, key: string | undefined): Target {
  const base = url.replace(/\/+$/, '')
  if (!/^https?:/.test(base) || !URL.canParse(base)) {
    throw new SurefootError({ code: 'INVALID_CONFIG', message: `'${url}' is not an http(s) URL.`, hint: WHICH_URL })
  }
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const send = async (method: 'GET' | 'POST', path: string, signal: AbortSignal, body?: unknown): Promise<object> => {
    const reply = await sendJson(`${base}${path}`, { method, headers, body, signal })
    if (reply.status !== 200) throw replyToError(reply, base)
    if (typeof reply.json !== 'object' || reply.json === null) throw noSurefoot(base)
    return reply.json
  }
  return {
    name: `the Surefoot server at ${base}`,
    async health(signal) {
      const input = encodeURIComponent(JSON.stringify({ force: true }))
      const json = (await send('GET', `/trpc/health?input=${input}`, signal)) as { result?: { data?: HealthReport } }
      const report = json.result?.data
      if (report === undefined) throw noSurefoot(base)
      return report
    },
    async ask(question, system, signal) {
      const messages = [
        { role: 'system', content: system },
        { role: 'user', content: question },
      ]
      const json = (await send('POST', '/api/chat', signal, { messages, stream: false })) as {
        message?: { content?: string }
      }
      if (typeof json.message?.content !== 'string') throw noSurefoot(base)
      return json.message.content
    },
    async [Symbol.asyncDispose]() {},
  }
}

/** Both shapes a server answers with: tRPC's under `/trpc`, Ollama's under `/api`. */
function replyToError({ json, headers }: JsonReply, base: string): SurefootError {
  const error = (json as { error?: unknown } | undefined)?.error
  if (typeof error === 'object' && error !== null) {
    const known = surefootErrorFromJson((error as { data?: { surefoot?: unknown } }).data?.surefoot)
    if (known !== undefined) return known
  }
  const code = headers['x-surefoot-code']
  if (typeof error !== 'string' || typeof code !== 'string' || !Object.hasOwn(ERROR_CODES, code))
    return noSurefoot(base)
  return new SurefootError({ code: code as ErrorCode, message: error })
}

function noSurefoot(base: string): SurefootError {
  return new SurefootError({
    code: 'SERVER_UNREACHABLE',
    message: `What answers at ${base} is not a Surefoot server.`,
    hint: WHICH_URL,
  })
}
