import { expect, it } from 'vitest'

import { canonicalModel } from './model-lists.ts'

it.each([
  ['llama3.2', 'llama3.2'],
  ['llama3.2:latest', 'llama3.2'],
  ['llama3.2:1b', 'llama3.2:1b'],
  ['library/llama3.2:latest', 'llama3.2'],
  ['registry.ollama.ai/library/llama3.2', 'llama3.2'],
  ['hf.co/library/model:Q4', 'hf.co/library/model:Q4'],
  ['someone/llama3.2', 'someone/llama3.2'],
])('a model has one name, however it is written: %s', (name, canonical) => {
  expect(canonicalModel(name)).toBe(canonical)
})
