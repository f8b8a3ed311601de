import { createSeededRandom, createVirtualTime } from '@surefoot/testing'
import { describe, expect, it } from 'vitest'

import { LoadOptions } from './load-options.ts'

describe('the options that a model is loaded with', () => {
  it('are none as long as nobody names one, and what is said of them is not touched', () => {
    const options = new LoadOptions(createVirtualTime().clock)
    const named = { temperature: 0, seed: 1 }
    expect(options.unify('llama3.2', undefined)).toBeUndefined()
    expect(options.unify('llama3.2', named)).toBe(named)
    expect(options.of('llama3.2')).toEqual({})
  })

  it('of each the first value named counts for all, also for who names none', () => {
    const options = new LoadOptions(createVirtualTime().clock)
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
    const options = new LoadOptions(createVirtualTime().clock)
    const sizes = [8_192, 4_096, 16_384, 2_048].map((num_ctx) => options.unify('llama3.2', { num_ctx })?.['num_ctx'])
    expect(sizes).toEqual([8_192, 8_192, 16_384, 16_384])
    expect(options.unify('llama3.2', undefined)).toEqual({ num_ctx: 16_384 })
  })

  it('nobody else gets a number that no Ollama can count to', () => {
    const options = new LoadOptions(createVirtualTime().clock)
    expect(options.unify('llama3.2', { num_ctx: 1e300 })).toEqual({})
    expect(options.unify('llama3.2', { num_thread: 1e300 })).toEqual({ num_thread: 1e300 })
    expect(options.unify('llama3.2', { num_ctx: 8_192 })).toEqual({ num_ctx: 8_192 })
    expect(options.of('llama3.2')).toEqual({ num_ctx: 8_192 })
  })

  it('a small context is not forced on who names none: the default is at least 4096', () => {
    const options = new LoadOptions(createVirtualTime().clock)
    expect(options.unify('llama3.2', { num_ctx: 2_048 })).toEqual({ num_ctx: 2_048 })
    expect(options.unify('llama3.2', undefined)).toBeUndefined()
    expect(options.unify('llama3.2', { num_ctx: 2_048 })).toEqual({})
    expect(options.unify('llama3.2', { num_ctx: 8_192 })).toEqual({ num_ctx: 8_192 })
    expect(options.unify('llama3.2', undefined)).toEqual({ num_ctx: 8_192 })
  })

  it('what is no value is left to Ollama to refuse, and counts for nobody else', () => {
    const options = new LoadOptions(createVirtualTime().clock)
    expect(options.unify('llama3.2', { num_ctx: '8k', num_thread: [] })).toEqual({ num_ctx: '8k', num_thread: [] })
    expect(options.unify('llama3.2', { num_ctx: -5, num_thread: null })).toEqual({})
    expect(options.of('llama3.2')).toEqual({})
  })

  it('a context that does not fit into memory is not kept for all; who wants it hears of it alone', () => {
    const options = new LoadOptions(createVirtualTime().clock)
    options.unify('llama3.2', { num_ctx: 8_192 })
    options.unify('llama3.2', { num_ctx: 1_000_000 })
    // Two calls failed of it.
    const loadedWith = options.of('llama3.2')
    expect(options.tooLarge('llama3.2', loadedWith)).toBe(true)
    expect(options.tooLarge('llama3.2', loadedWith)).toBe(true)
    expect(options.of('llama3.2')).toEqual({ num_ctx: 8_192 })
    expect(options.unify('llama3.2', { num_ctx: 1_000_000 })).toEqual({ num_ctx: 1_000_000 })
    expect(options.unify('llama3.2', { num_ctx: 4_096 })).toEqual({ num_ctx: 8_192 })
    expect(options.unify('llama3.2', { num_ctx: 16_384 })).toEqual({ num_ctx: 16_384 })
    expect(options.tooLarge('unheard-of', options.of('unheard-of'))).toBe(false)
  })

  it('a context that a prompt needs counts for all, also a small one, and never shrinks', () => {
    const options = new LoadOptions(createVirtualTime().clock)
    options.unify('llama3.2', undefined)
    const before = options.of('llama3.2')
    expect(options.grow('llama3.2', 4_096)).toBe(true)
    expect(options.of('llama3.2')).not.toBe(before)
    expect(options.unify('llama3.2', undefined)).toEqual({ num_ctx: 4_096 })
    expect(options.grow('llama3.2', 4_096)).toBe(false)
    expect(options.grow('llama3.2', 8_192)).toBe(true)
    expect(options.grow('llama3.2', 4_096)).toBe(false)
    expect(options.unify('llama3.2', { num_ctx: 2_048 })).toEqual({ num_ctx: 8_192 })
  })

  it('one that a prompt needed and that does not fit into memory is taken back, and not tried again', () => {
    const options = new LoadOptions(createVirtualTime().clock)
    options.unify('llama3.2', undefined)
    options.grow('llama3.2', 4_096)
    const before = options.of('llama3.2')
    options.grow('llama3.2', 8_192)
    expect(options.tooLarge('llama3.2', options.of('llama3.2'))).toBe(true)
    expect(options.of('llama3.2')).toEqual({ num_ctx: 4_096 })
    expect(options.tooLargeFor('llama3.2')).toBe(8_192)
    expect(options.grow('llama3.2', 8_192)).toBe(false)
    expect(options.grow('llama3.2', 16_384)).toBe(false)
    expect(options.of('llama3.2')).toBe(before)
    // What is left fits, as far as is known.
    expect(options.tooLarge('llama3.2', options.of('llama3.2'))).toBe(false)
    expect(options.tooLargeFor('unheard-of')).toBe(Number.POSITIVE_INFINITY)
  })

  it('one that did not fit is tried once more after 10 minutes, and again when the backends change', async () => {
    const time = createVirtualTime()
    const options = new LoadOptions(time.clock)
    const grows = (numCtx: number): boolean => options.grow('llama3.2', numCtx)
    const failsToLoad = (): unknown => options.tooLarge('llama3.2', options.of('llama3.2'))
    grows(4_096)
    grows(16_384)
    failsToLoad()
    await time.advance(599_999)
    expect(grows(16_384)).toBe(false)
    await time.advance(1)
    expect(grows(8_192)).toBe(true)
    expect(options.tooLargeFor('llama3.2')).toBe(16_384)
    expect(grows(16_384)).toBe(true)
    failsToLoad()
    expect(options.of('llama3.2')).toEqual({ num_ctx: 8_192 })
    await time.advance(3_600_000)
    expect(grows(16_384)).toBe(false)
    options.backendsChanged()
    expect(grows(16_384)).toBe(true)
    expect(options.tooLargeFor('llama3.2')).toBe(Number.POSITIVE_INFINITY)
    expect(options.of('llama3.2')).toEqual({ num_ctx: 16_384 })
  })

  it('what was asked for with other options than now takes nothing back when it does not fit', () => {
    const options = new LoadOptions(createVirtualTime().clock)
    options.grow('llama3.2', 4_096)
    options.grow('llama3.2', 16_384)
    const loadedWith = options.of('llama3.2')
    options.tooLarge('llama3.2', loadedWith)
    options.grow('llama3.2', 8_192)
    expect(options.tooLarge('llama3.2', loadedWith)).toBe(true)
    expect(options.of('llama3.2')).toEqual({ num_ctx: 8_192 })
  })

  it('are one and the same object until they change', () => {
    const options = new LoadOptions(createVirtualTime().clock)
    const none = options.of('llama3.2')
    options.unify('llama3.2', { num_ctx: 2_048 })
    const small = options.of('llama3.2')
    expect(small).not.toBe(none)
    options.unify('llama3.2', { num_ctx: 1_024, temperature: 0 })
    expect(options.of('llama3.2')).toBe(small)
    options.grow('llama3.2', 8_192)
    const grown = options.of('llama3.2')
    // Somebody names none for the first time: that changes nothing of what it is loaded with.
    options.unify('llama3.2', undefined)
    expect(options.of('llama3.2')).toBe(grown)
    expect(options.merge('llama3.2', small, { num_ctx: 1_024, seed: 1 })).toEqual({ num_ctx: 2_048, seed: 1 })
  })

  it('whatever is asked in whatever order, they change as often as the context grows and an option is new', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = createSeededRandom(seed)
      const any = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T
      const options = new LoadOptions(createVirtualTime().clock)
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
