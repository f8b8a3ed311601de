import type { Dispatcher } from 'undici'
import { createVirtualTime } from '@surefoot/testing'
import { expect, it } from 'vitest'

import type { Connection } from '../connection.ts'
import { classify } from '../outcome/classify.ts'
import { sendSingle } from './single-request.ts'

const BODY = { model: 'm', messages: [], stream: false }

/** A request that is answered by nobody but the test. */
function send(limitMs: number) {
  const time = createVirtualTime()
  const aborted: Error[] = []
  const sent = Promise.withResolvers<Dispatcher.DispatchHandler>()
  const controller = { abort: (reason: Error) => aborted.push(reason) } as unknown as Dispatcher.DispatchController
  const connection = {
    dispatch: (_method: string, _path: string, _body: Buffer, handler: Dispatcher.DispatchHandler) => {
      handler.onRequestStart?.(controller, {})
      sent.resolve(handler)
    },
  } as unknown as Connection
  const request = sendSingle(connection, BODY, limitMs, time)
  return { time, aborted, controller, request, handler: sent.promise }
}

it('is silent when nothing comes in its time, as a canary to a wedged backend is', async () => {
  const { time, aborted, request } = send(5_000)
  await time.advance(5_000)
  expect(await request.failure).toEqual({ kind: 'silence', silentMs: 5_000, gotToken: false })
  expect(aborted).toHaveLength(1)
})

it('is silent when it is cut', async () => {
  const { request, time } = send(5_000)
  request.cancel()
  expect(await request.failure).toEqual({ kind: 'silence', silentMs: 0, gotToken: false })
  expect(time.pendingTimers).toBe(0)
})

it('that nobody took is a connection that was refused, and not one that broke', async () => {
  const { request, handler, controller } = send(5_000)
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  ;(await handler).onResponseError?.(controller, cause)
  const failure = await request.failure
  expect(failure).toMatchObject({ kind: 'network', cause, gotBytes: false })
  if (failure === undefined) return
  expect(classify(failure, { backend: 'http://a:1', model: 'm' })).toMatchObject({ away: 'seen', class: 'connect' })
})
