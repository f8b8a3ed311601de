import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { scriptedAnswer } from '../src/mentor/scripted-answers.ts'
import type { Demo } from '../src/start-demo.ts'
import { startOnOllama, startOnStandIns, postJson } from './start.ts'

describe('POST /api/mentor/chat/', () => {
  let demo: Demo
  beforeAll(async () => {
    demo = await startOnStandIns()
  })
  afterAll(() => demo[Symbol.asyncDispose]())

  const ask = async (body: unknown, path = '/api/mentor/chat/'): Promise<{ status: number; json: unknown }> => {
    const response = await postJson(`${demo.url}${path}`, body)
    return { status: response.status, json: await response.json() }
  }
  const asked = async (): Promise<number> =>
    ((await (await fetch(`${demo.url}/demo/info`)).json()) as { requests: number }).requests

  it.each(['/api/mentor/chat/', '/api/mentor/chat'])('answers in the guide’s JSON at %s', async (path) => {
    expect(await ask({ message: 'What is gravity?', class_number: 9 }, path)).toEqual({
      status: 200,
      json: {
        success: true,
        text: scriptedAnswer('What is gravity?'),
        teacher: 'Dr. Meera Nair',
        class: 9,
        subject: 'Physics',
      },
    })
  })

  it('answers a class that asks again from the cache, and says so in a header', async () => {
    const question = { message: 'Why is the sky blue?', class_number: 6 }
    const answers = [
      await postJson(`${demo.url}/api/mentor/chat/`, question),
      await postJson(`${demo.url}/api/mentor/chat/`, question),
      await postJson(`${demo.url}/api/mentor/chat/`, { ...question, class_number: 3 }),
    ]
    expect(answers.map(({ headers }) => headers.get('x-surefoot-served'))).toEqual(['model', 'cache', 'model'])
    const [first, again] = await Promise.all(answers.map((response) => response.text()))
    expect(again).toBe(first)
  })

  it('takes class 1 when none is given', async () => {
    expect(await ask({ message: 'Why do cats purr?' })).toMatchObject({
      json: { class: 1, teacher: 'Miss Poppy Lane' },
    })
  })

  it.each([
    [{}, 'Message is required'],
    [{ message: '  ' }, 'Message is required'],
    [{ message: 42 }, 'Message is required'],
    ['"Hello"', 'Message is required'],
    ['{"message": ', 'Invalid JSON'],
    [{ message: 'Hi', class_number: 0 }, 'class_number must be a whole number from 1 to 10'],
    [{ message: 'Hi', class_number: 11 }, 'class_number must be a whole number from 1 to 10'],
    [{ message: 'Hi', class_number: 2.5 }, 'class_number must be a whole number from 1 to 10'],
    [{ message: 'Hi', class_number: '3' }, 'class_number must be a whole number from 1 to 10'],
  ])('refuses %j in one sentence and asks no backend', async (body, error) => {
    const before = await asked()
    expect(await ask(body)).toEqual({ status: 400, json: { success: false, error } })
    expect(await asked()).toBe(before)
  })

  it('refuses a body over 10 MiB, and one that nests too deep, in the guide’s JSON', async () => {
    expect(await ask({ message: 'x'.repeat(10 * 1024 * 1024) })).toEqual({
      status: 413,
      json: { success: false, error: 'The body of the request is over the limit of 10 MiB.' },
    })
    expect(await ask(`${'['.repeat(100)}${']'.repeat(100)}`)).toEqual({
      status: 400,
      json: { success: false, error: 'The body is nested deeper than 64 levels.' },
    })
  })

  it('is not for pages of other origins', async () => {
    const response = await postJson(
      `${demo.url}/api/mentor/chat/`,
      { message: 'Hi' },
      { origin: 'http://evil.example' },
    )
    expect(response.status).toBe(403)
    expect(await response.json()).toEqual({
      success: false,
      error: 'Pages of this origin may not call this server.',
    })
  })
})

describe('the mentor without a backend', () => {
  it('says 503 with what to do, names the address that people know, and reports itself unhealthy', async () => {
    await using parts = await startOnOllama()
    const { demo, ollama } = parts
    await ollama.fault({ kind: 'refuse' })

    const response = await postJson(`${demo.url}/api/mentor/chat/`, { message: 'What is water?' })
    const body = (await response.json()) as { details: string }
    expect(response.status).toBe(503)
    expect(body).toEqual({
      success: false,
      error: 'Unable to connect to AI service. Please try again.',
      details: expect.stringContaining('ollama serve') as string,
    })
    expect(body.details).toContain(ollama.url)

    const health = await fetch(`${demo.url}/api/mentor/health/`)
    expect(health.status).toBe(503)
    expect(await health.json()).toEqual({
      success: false,
      status: 'unhealthy',
      ollama_connected: false,
      error: expect.stringContaining(ollama.url) as string,
      circuit_breaker_state: 'open',
    })
  })

  it('takes no fallback message for an answer', async () => {
    const config = {
      logLevel: 'silent',
      waitForReadyMs: 0,
      retryDelayMs: 10,
      fallbackMessage: 'Ask me later.',
    } as const
    await using parts = await startOnOllama({ config })
    await parts.ollama.fault({ kind: 'refuse' })
    const response = await postJson(`${parts.demo.url}/api/mentor/chat/`, { message: 'What is water?' })
    expect(response.status).toBe(503)
    expect(response.headers.get('x-surefoot-served')).toBe('fallback')
    expect(await response.json()).toEqual({
      success: false,
      error: 'Unable to connect to AI service. Please try again.',
      details: expect.stringContaining('ollama serve') as string,
    })
  })

  it('tells the asker about a mistake of the question with a 4xx and no talk of the service', async () => {
    await using parts = await startOnOllama()
    await parts.ollama.fault({ kind: 'status', status: 400, message: 'the input length exceeds the context length' })
    const response = await postJson(`${parts.demo.url}/api/mentor/chat/`, { message: 'A very long question' })
    expect(response.status).toBe(422)
    expect(await response.json()).toEqual({
      success: false,
      error: expect.stringContaining('context') as string,
      details: expect.stringContaining('shorten the conversation') as string,
    })
  })

  it('stops the generation when the caller leaves', async () => {
    await using parts = await startOnOllama({}, { tokensPerSecond: 20 })
    const { demo, ollama } = parts
    const call = request(`${demo.url}/api/mentor/chat/`, { method: 'POST' })
    call.on('error', () => {})
    call.end('{"message":"What is water?"}')
    await expect.poll(() => ollama.counts.tokens).toBeGreaterThan(0)
    call.destroy()
    await expect.poll(() => ollama.counts.canceled).toBe(1)
  })
})

describe('GET /api/mentor/health/', () => {
  it.each(['/api/mentor/health/', '/api/mentor/health'])('answers in the guide’s JSON at %s', async (path) => {
    await using demo = await startOnStandIns()
    const response = await fetch(`${demo.url}${path}`)
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(
      '{"success":true,"status":"healthy","ollama_connected":true,"default_model":"llama3.2","circuit_breaker_state":"closed"}',
    )
  })

  it('names a model that is missing, and the command that pulls it', async () => {
    await using parts = await startOnOllama({}, { models: [{ name: 'other' }] })
    const response = await fetch(`${parts.demo.url}/api/mentor/health/`)
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({
      ollama_connected: true,
      error: expect.stringContaining('ollama pull llama3.2') as string,
      circuit_breaker_state: 'closed',
    })
  })
})
