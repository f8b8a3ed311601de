import { describe, expect, it } from 'vitest'

import { GpuUse } from './gpu-use.ts'

const listed = (name: string, share: number | undefined) => ({
  name,
  ...(share !== undefined && { size: 1_000, size_vram: share * 1_000 }),
})

describe('a model that runs on the CPU', () => {
  it('is one that fell when it was wholly on the GPU before; until it is there again', () => {
    const gpu = new GpuUse()
    gpu.observed([listed('llama3.2:latest', 1)], 0)
    expect(gpu.fellToCpuAtMs('llama3.2', () => false)).toBeUndefined()
    gpu.observed([listed('llama3.2:latest', 0.4)], 10)
    gpu.observed([listed('llama3.2:latest', 0.4)], 20)
    expect(gpu.fellToCpuAtMs('llama3.2', () => false)).toBe(10)
    gpu.observed([listed('llama3.2:latest', 1)], 30)
    expect(gpu.fellToCpuAtMs('llama3.2', () => false)).toBeUndefined()
  })

  it('is none any more once it has left the memory: its next load may go to the GPU', () => {
    const gpu = new GpuUse()
    gpu.observed([listed('llama3.2', 1)], 0)
    gpu.observed([listed('llama3.2', 0)], 10)
    gpu.observed([], 20)
    expect(gpu.fellToCpuAtMs('llama3.2', () => true)).toBeUndefined()
    gpu.observed([listed('llama3.2', 0)], 30)
    expect(gpu.fellToCpuAtMs('llama3.2', () => false)).toBe(30)
  })

  it('is as it should be on a machine that never had a GPU, whatever others have', () => {
    const gpu = new GpuUse()
    gpu.observed([listed('llama3.2', 0)], 0)
    expect(gpu.fellToCpuAtMs('llama3.2', () => true)).toBeUndefined()
  })

  it('is one that fell when this machine has a GPU and the model is wholly on that of another', () => {
    const gpu = new GpuUse()
    gpu.observed([listed('llama3.2', 0.6), listed('qwen3:8b', 0)], 5)
    expect(gpu.fellToCpuAtMs('llama3.2', () => true)).toBe(5)
    expect(gpu.fellToCpuAtMs('qwen3:8b', () => true)).toBe(5)
    // Larger than its GPU, and nobody does better.
    expect(gpu.fellToCpuAtMs('llama3.2', () => false)).toBeUndefined()
  })

  it('is unknown when sizes are not told', () => {
    const gpu = new GpuUse()
    gpu.observed([listed('llama3.2', undefined), { name: 'odd', size: 0, size_vram: 0 }], 0)
    expect(gpu.fellToCpuAtMs('llama3.2', () => true)).toBeUndefined()
    expect(gpu.isFull('odd')).toBe(false)
  })
})
