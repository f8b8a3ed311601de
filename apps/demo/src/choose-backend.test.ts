import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createStandIn } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { chooseBackend } from './choose-backend.ts'

describe('the choice of the backend', () => {
  it('is the real Ollama that has the model', async () => {
    await using ollama = await createStandIn({ models: [{ name: 'other' }, { name: 'llama3.2' }] })
    expect(await chooseBackend({ urls: [ollama.url], model: 'llama3.2' })).toEqual({
      kind: 'real',
      urls: [ollama.url],
      model: 'llama3.2',
    })
  })

  it('is all of several that have the model', async () => {
    await using first = await createStandIn({ models: [{ name: 'llama3.2' }] })
    await using second = await createStandIn({ models: [{ name: 'other' }] })
    await using third = await createStandIn({ models: [{ name: 'llama3.2' }] })
    const choice = await chooseBackend({ urls: [first.url, second.url, third.url], model: 'llama3.2' })
    expect(choice).toMatchObject({ kind: 'real', urls: [first.url, third.url] })
  })

  it('is another installed model where the wanted one is missing, and says so', async () => {
    await using ollama = await createStandIn({
      models: [
        { name: 'nomic-embed-text', size: 1, capabilities: ['embedding'] },
        { name: 'big', size: 900 },
        { name: 'llama3.2:1b', size: 500 },
      ],
    })
    const choice = await chooseBackend({ urls: [ollama.url], model: 'llama3.2' })
    expect(choice).toMatchObject({ kind: 'real', model: 'llama3.2:1b' })
    expect(choice.note).toBe(
      'Model llama3.2 is not installed there, so llama3.2:1b answers. For the other one run: ollama pull llama3.2',
    )
  })

  it('is the stand-in where an Ollama has no model at all, with the command that pulls one', async () => {
    await using ollama = await createStandIn({ models: [] })
    const choice = await chooseBackend({ urls: [ollama.url], model: 'llama3.2' })
    expect(choice.kind).toBe('stand-in')
    expect(choice.note).toContain('Run: ollama pull llama3.2')
  })

  it('is the stand-in where nothing answers, with what to do', async () => {
    const ollama = await createStandIn()
    await ollama[Symbol.asyncDispose]()
    const choice = await chooseBackend({ urls: [ollama.url], model: 'llama3.2' })
    expect(choice).toMatchObject({ kind: 'stand-in', model: 'llama3.2' })
    expect(choice.note).toContain(`At the start no Ollama answered at ${ollama.url}. Run: ollama serve`)
  })

  it('does not wait for one that takes the connection and says nothing', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    try {
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
      const choice = await chooseBackend({ urls: [url], model: 'llama3.2', timeoutMs: 100 })
      expect(choice.kind).toBe('stand-in')
    } finally {
      silent.close()
    }
  })

  it('never shows a password', async () => {
    const choice = await chooseBackend({ urls: ['http://user:secret@127.0.0.1:1'], model: 'llama3.2' })
    expect(choice.note).toContain('http://127.0.0.1:1')
    expect(choice.note).not.toContain('secret')
  })

  it('obeys a wish', async () => {
    await using ollama = await createStandIn()
    expect((await chooseBackend({ urls: [ollama.url], model: 'llama3.2', wish: 'stand-in' })).kind).toBe('stand-in')
    const away = await chooseBackend({ urls: ['http://127.0.0.1:1'], model: 'llama3.2', wish: 'real' })
    expect(away).toMatchObject({ kind: 'real', urls: ['http://127.0.0.1:1'] })
    expect(away).toMatchObject({ missing: expect.stringMatching(/^No Ollama answers at .* yet\. Run: ollama serve/) })
    // Nothing that the page would go on showing when the Ollama is there.
    expect(away.note).toBeUndefined()
  })
})
