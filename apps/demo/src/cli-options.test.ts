import { describe, expect, it } from 'vitest'

import { readCliOptions } from './cli-options.ts'

describe('the command line', () => {
  it('asks for port 8000 and whatever backend there is', () => {
    expect(readCliOptions([], {})).toEqual({ port: 8000, backend: 'auto', help: false })
  })

  it('takes --port before PORT, and what pnpm leaves between', () => {
    expect(readCliOptions([], { PORT: '9001' }).port).toBe(9001)
    expect(readCliOptions(['--', '--port', '9002'], { PORT: '9001' }).port).toBe(9002)
  })

  it.each([
    [['--port', 'eighty'], {}, '--port must be a whole number from 0 to 65535, but is "eighty".'],
    [[], { PORT: '70000' }, 'PORT must be a whole number from 0 to 65535, but is "70000".'],
    [['--backend', 'gpu'], {}, '--backend must be one of auto, real, stand-in, but is "gpu".'],
  ])('says what is wrong with %j %j', (args, env, sentence) => {
    expect(() => readCliOptions(args, env)).toThrow(sentence)
  })
})
