import { createSeededRandom } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { LoadOptions } from './load-options.ts'

describe('the options that a model is loaded with', () => {
  it('are none as long as nobody names one, and what is said of them is not touched', () => {
    const options = new LoadOptions()
    const named = { temperature: 0, seed: 1 }
    expect(options.unify('llama3.2', undefined)).toBeUndefined()
    expect(options.unify('llama3.2', named)).toBe(named)
    expect(options.of('llama3.2')).toEqual({})
  })

  it('of each the first value named counts for all, also for who names none', () => {
    const options = new LoadOptions()
    expect(options.unify('llama3.2', { num_thread: 1, temperature: 0 })).toEqual({ num_thread: 1, temperature: 0 })
    expect(options.unify('llama3.2', { num_thread: 8, num_gpu: 0, use_mmap: false })).toEqual({
      num_thread: 1,
      num_gpu: 0,
      use_mmap: false,
    })
    expect(options.unify('llama3.2', undefined)).toEqual({ num_thread: 1, num_gpu: 0, use_mmap: false })
    expect(options.of('llama3.2')).toEqual({ num_thread: 1, num_gpu: 0, use_mmap: false })
    expect(options.of('qwen3')).toEqual({})
  })

  it('the context grows to the largest, and never shrinks', () => {
    const options = new LoadOptions()
    const sizes = [8_192, 4_096, 16_384, 2_048].map((num_ctx) => options.unify('llama3.2', { num_ctx })?.['num_ctx'])
    expect(sizes).toEqual([8_192, 8_192, 16_384, 16_384])
    expect(options.unify('llama3.2', undefined)).toEqual({ num_ctx: 16_384 })
  })

  it('a small context is not forced on who names none: the default is at least 4096', () => {
    const options = new LoadOptions()
    expect(options.unify('llama3.2', { num_ctx: 2_048 })).toEqual({ num_ctx: 2_048 })
    expect(options.unify('llama3.2', undefined)).toBeUndefined()
    expect(options.unify('llama3.2', { num_ctx: 2_048 })).toEqual({})
    expect(options.unify('llama3.2', { num_ctx: 8_192 })).toEqual({ num_ctx: 8_192 })
    expect(options.unify('llama3.2', undefined)).toEqual({ num_ctx: 8_192 })
  })

  it('what is no value is left to Ollama to refuse, and counts for nobody else', () => {
    const options = new LoadOptions()
    expect(options.unify('llama3.2', { num_ctx: '8k', num_thread: [] })).toEqual({ num_ctx: '8k', num_thread: [] })
    expect(options.unify('llama3.2', { num_ctx: -5, num_thread: null })).toEqual({})
    expect(options.of('llama3.2')).toEqual({})
  })

  it('a context that does not fit into memory is not kept for all; who wants it hears of it alone', () => {
    const options = new LoadOptions()
    options.unify('llama3.2', { num_ctx: 8_192 })
    options.unify('llama3.2', { num_ctx: 1_000_000 })
    // Two calls failed of it.
    options.tooLarge('llama3.2')
    options.tooLarge('llama3.2')
    expect(options.of('llama3.2')).toEqual({ num_ctx: 8_192 })
    expect(options.unify('llama3.2', { num_ctx: 1_000_000 })).toEqual({ num_ctx: 1_000_000 })
    expect(options.unify('llama3.2', { num_ctx: 4_096 })).toEqual({ num_ctx: 8_192 })
    expect(options.unify('llama3.2', { num_ctx: 16_384 })).toEqual({ num_ctx: 16_384 })
    options.tooLarge('unheard-of')
  })

  it('a context that a prompt needs counts for all, also a small one, and never shrinks', () => {
    const options = new LoadOptions()
    options.unify('llama3.2', undefined)
    const before = options.revisionOf('llama3.2')
    expect(options.grow('llama3.2', 4_096)).toBe(true)
    expect(options.revisionOf('llama3.2')).not.toBe(before)
    expect(options.unify('llama3.2', undefined)).toEqual({ num_ctx: 4_096 })
    expect(options.grow('llama3.2', 4_096)).toBe(false)
    expect(options.grow('llama3.2', 8_192)).toBe(true)
    expect(options.grow('llama3.2', 4_096)).toBe(false)
    expect(options.unify('llama3.2', { num_ctx: 2_048 })).toEqual({ num_ctx: 8_192 })
  })

  it('one that a prompt needed and that does not fit into memory is taken back, and not tried again', () => {
    const options = new LoadOptions()
    options.unify('llama3.2', undefined)
    options.grow('llama3.2', 4_096)
    options.grow('llama3.2', 8_192)
    expect(options.tooLarge('llama3.2')).toBe(true)
    expect(options.of('llama3.2')).toEqual({ num_ctx: 4_096 })
    expect(options.tooLargeFor('llama3.2')).toBe(8_192)
    expect(options.grow('llama3.2', 8_192)).toBe(false)
    expect(options.grow('llama3.2', 16_384)).toBe(false)
    // What is left fits, as far as is known.
    expect(options.tooLarge('llama3.2')).toBe(false)
    expect(options.tooLargeFor('unheard-of')).toBe(Number.POSITIVE_INFINITY)
  })

  it('whatever is asked in whatever order, they change as often as the context grows and an option is new', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = createSeededRandom(seed)
      const any = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T
      const options = new LoadOptions()
      const loadedWith = new Set<string>()
      for (let call = 0; call < 1_000; call++) {
        const num_ctx = any([undefined, 2_048, 4_096, 8_192, 32_768])
        const num_thread = any([undefined, 1, 2, 8])
        options.unify('llama3.2', {
          ...(num_ctx !== undefined && { num_ctx }),
          ...(num_thread !== undefined && { num_thread }),
        })
        loadedWith.add(JSON.stringify(options.of('llama3.2')))
      }
      expect(loadedWith.size).toBeLessThanOrEqual(6)
    }
  })
})
