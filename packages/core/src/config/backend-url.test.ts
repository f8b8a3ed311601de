import { describe, expect, it } from 'vitest'

import { backendName, backendUrlSchema } from './backend-url.ts'

describe('the address of a backend', () => {
  it('keeps user name and password for the connection', () => {
    expect(backendUrlSchema.parse('http://user:p%40ss@gpu-a:11434/')).toBe('http://user:p%40ss@gpu-a:11434')
  })

  it('is shown and logged without them', () => {
    expect(backendName('http://user:p%40ss@gpu-a:11434')).toBe('http://gpu-a:11434')
    expect(backendName('https://user@gpu-a/path/')).toBe('https://gpu-a/path')
  })
})
