import { describe, expect, it } from 'vitest'

import { promptCareOf } from './prompt-care.ts'

describe('a prompt that is too long', () => {
  it.each([
    ['0.32.15', 'refuses'],
    ['0.24.0', 'refuses'],
    ['0.12.6', 'refuses'],
    ['v0.12.6-rc0', 'refuses'],
    ['1.0.0', 'refuses'],
    ['0.12.5', 'cuts'],
    ['0.9.12', 'cuts'],
    ['0.4.0', 'cuts'],
    ['0.3.14', 'cuts-unseen'],
    ['0.1.30', 'cuts-unseen'],
    // Builds of one's own.
    ['0.0.0', 'refuses'],
    ['main-abc', 'refuses'],
  ] as const)('Ollama %s %s it', (version, care) => {
    expect(promptCareOf(version)).toBe(care)
  })
})
