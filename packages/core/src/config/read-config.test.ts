import { SurefootError } from '@surefoot/protocol'
import { describe, expect, it } from 'vitest'

import type { Config, PresetName, SurefootConfig } from './config.ts'
import { readConfig } from './read-config.ts'
import { SETTINGS, SETTINGS_BY_NAME } from './settings.ts'

/** The error that this configuration is refused with. */
function refusal(given: unknown, env: Record<string, string> = {}): SurefootError {
  try {
    readConfig(given as SurefootConfig, env)
  } catch (error) {
    expect(SurefootError.is(error) && error.code).toBe('INVALID_CONFIG')
    return error as SurefootError
  }
  return expect.fail(`accepted: ${JSON.stringify(given)} ${JSON.stringify(env)}`)
}

describe('the defaults', () => {
  it("are the guide's numbers", () => {
    expect(readConfig()).toMatchObject({
      backends: ['http://127.0.0.1:11434'],
      model: 'llama3.2',
      maxRetries: 3,
      timeoutMs: 60_000,
      poolConnections: 10,
      poolMaxSize: 20,
      logLevel: 'info',
      slots: 'auto',
      temperature: 0.7,
      retryDelayMs: 1_000,
      maxRetryDelayMs: 30_000,
      breakerThreshold: 5,
      breakerOpenMs: 60_000,
      healthTtlMs: 30_000,
    })
  })

  it('wait, and are patient with loads', () => {
    expect(readConfig()).toMatchObject({
      deadlineMs: 900_000,
      waitForReadyMs: 30_000,
      connectTimeoutMs: 5_000,
      loadTimeoutMs: 600_000,
      structuredTimeoutMs: 180_000,
      queueTimeoutMs: 300_000,
      promptRetry: true,
      retryBudget: 500,
      earlyClose: true,
    })
  })

  it('lie in their own ranges, those of the presets too', () => {
    for (const [name, setting] of Object.entries(SETTINGS_BY_NAME)) {
      for (const value of [setting.default, ...Object.values(setting.presets ?? {})]) {
        expect(setting.schema.safeParse(value), name).toMatchObject({ success: true })
      }
    }
  })
})

describe('the presets', () => {
  const changed = (preset: PresetName): Partial<Config> => {
    const base = readConfig() as unknown as Record<string, unknown>
    const entries = Object.entries(readConfig({ preset })).filter(([name, value]) => base[name] !== value)
    return Object.fromEntries(entries.filter(([name]) => name !== 'backends'))
  }

  it('development is the defaults', () => {
    expect(changed('development')).toEqual({})
  })

  it('production', () => {
    expect(changed('production')).toEqual({ timeoutMs: 30_000, maxRetries: 5, poolConnections: 20, poolMaxSize: 50 })
  })

  it('guide is literal', () => {
    expect(changed('guide')).toEqual({
      jitter: 0,
      waitForReadyMs: 0,
      promptRetry: false,
      retryBudget: 0,
      resume: false,
      earlyClose: false,
      slots: 1,
      deadlineMs: 60_000,
      maxContext: 0,
    })
  })

  it("guide's deadline follows OLLAMA_TIMEOUT, unless it is given", () => {
    expect(readConfig({ preset: 'guide' }, { OLLAMA_TIMEOUT: '90' }).deadlineMs).toBe(90_000)
    expect(readConfig({ preset: 'guide', timeoutMs: 5_000 }).deadlineMs).toBe(5_000)
    expect(readConfig({ preset: 'guide', deadlineMs: 7_000 }).deadlineMs).toBe(7_000)
  })

  it('can be chosen by a variable; code goes first', () => {
    expect(readConfig({}, { SUREFOOT_PRESET: ' Production ' }).maxRetries).toBe(5)
    expect(readConfig({ preset: 'development' }, { SUREFOOT_PRESET: 'production' }).maxRetries).toBe(3)
    expect(readConfig({}, { SUREFOOT_PRESET: '' }).maxRetries).toBe(3)
  })

  it('a wrong one is refused by name', () => {
    expect(refusal({ preset: 'prod' }).message).toBe(
      'preset must be one of development, production, guide, but is "prod".',
    )
    expect(refusal({ preset: 7 }).message).toContain('but is 7.')
    expect(refusal({}, { SUREFOOT_PRESET: 'fast' }).hint).toContain('SUREFOOT_PRESET')
  })
})

describe('the variables', () => {
  it.each([
    ['OLLAMA_BASE_URL', 'http://gpu-a:11434', { backends: ['http://gpu-a:11434'] }],
    ['OLLAMA_MODEL', ' qwen3:8b ', { model: 'qwen3:8b' }],
    ['OLLAMA_MAX_RETRIES', '7', { maxRetries: 7 }],
    ['OLLAMA_MAX_RETRIES', '0', { maxRetries: 0 }],
    ['OLLAMA_TIMEOUT', '120', { timeoutMs: 120_000 }],
    ['OLLAMA_TIMEOUT', '0.5', { timeoutMs: 500 }],
    ['OLLAMA_POOL_CONNECTIONS', '4', { poolConnections: 4 }],
    ['OLLAMA_POOL_MAXSIZE', '8', { poolMaxSize: 8 }],
    ['OLLAMA_NUM_PARALLEL', '4', { slots: 4 }],
    ['OLLAMA_NUM_PARALLEL', '0', { slots: 'auto' }],
    ['OLLAMA_NUM_PARALLEL', ' Auto ', { slots: 'auto' }],
    ['SUREFOOT_CACHE', 'true', { cache: true }],
    ['SUREFOOT_CACHE', ' TRUE ', { cache: true }],
    ['SUREFOOT_DEGRADE_MODELS', 'qwen3:8b, llama3.2:1b', { degradeModels: ['qwen3:8b', 'llama3.2:1b'] }],
    ['SUREFOOT_DEGRADE_TO_CACHE', '1', { degradeToCache: true }],
    ['SUREFOOT_LOCAL_MODEL', '/models/tiny.gguf', { localModel: '/models/tiny.gguf' }],
    ['SUREFOOT_FALLBACK_MESSAGE', 'Please ask me later.', { fallbackMessage: 'Please ask me later.' }],
    ['SUREFOOT_REDIS_URL', 'redis://127.0.0.1:6379', { redisUrl: 'redis://127.0.0.1:6379' }],
    [
      'SUREFOOT_EXPERIMENTS',
      '[{"name":"small","variants":[{"model":"a"},{"name":"b","model":"a","weight":3}]}]',
      {
        experiments: [
          {
            name: 'small',
            goal: 'success',
            variants: [
              { name: 'a', model: 'a', weight: 1 },
              { name: 'b', model: 'a', weight: 3 },
            ],
          },
        ],
      },
    ],
    ['LOG_LEVEL', 'DEBUG', { logLevel: 'debug' }],
    ['LOG_LEVEL', 'warning', { logLevel: 'warn' }],
    ['LOG_LEVEL', 'CRITICAL', { logLevel: 'fatal' }],
  ])('%s=%s', (name, text, expected) => {
    expect(readConfig({}, { [name]: text })).toMatchObject(expected)
  })

  it('are all tried here', () => {
    const names = SETTINGS.flatMap(({ env }) => env ?? [])
    expect(names.toSorted()).toEqual([
      'LOG_LEVEL',
      'OLLAMA_BASE_URL',
      'OLLAMA_MAX_RETRIES',
      'OLLAMA_MODEL',
      'OLLAMA_NUM_PARALLEL',
      'OLLAMA_POOL_CONNECTIONS',
      'OLLAMA_POOL_MAXSIZE',
      'OLLAMA_TIMEOUT',
      'SUREFOOT_CACHE',
      'SUREFOOT_DEGRADE_MODELS',
      'SUREFOOT_DEGRADE_TO_CACHE',
      'SUREFOOT_EXPERIMENTS',
      'SUREFOOT_FALLBACK_MESSAGE',
      'SUREFOOT_LOCAL_MODEL',
      'SUREFOOT_REDIS_URL',
    ])
  })

  it.each([
    ['OLLAMA_BASE_URL', 'ftp://gpu-a', 'one or several http(s) URLs, separated by commas, none with two passwords'],
    ['OLLAMA_BASE_URL', 'http://', 'one or several http(s) URLs, separated by commas, none with two passwords'],
    ['OLLAMA_BASE_URL', ',', 'one or several http(s) URLs, separated by commas, none with two passwords'],
    ['OLLAMA_MODEL', 'two words', 'a name of 1 to 256 characters without spaces'],
    ['OLLAMA_MAX_RETRIES', '21', 'a whole number from 0 to 20'],
    ['OLLAMA_MAX_RETRIES', '2.5', 'a whole number from 0 to 20'],
    ['OLLAMA_MAX_RETRIES', 'three', 'a whole number from 0 to 20'],
    ['OLLAMA_TIMEOUT', '0', 'a duration from 0.001 to 3600 seconds'],
    ['OLLAMA_TIMEOUT', '60s', 'a duration from 0.001 to 3600 seconds'],
    ['OLLAMA_TIMEOUT', 'Infinity', 'a duration from 0.001 to 3600 seconds'],
    ['OLLAMA_POOL_CONNECTIONS', '-1', 'a whole number from 1 to 1000'],
    ['OLLAMA_POOL_MAXSIZE', '0', 'a whole number from 1 to 1000'],
    ['OLLAMA_NUM_PARALLEL', '-1', 'a whole number from 1 to 1000, or auto'],
    ['SUREFOOT_LOCAL_MODEL', '/models/tiny.bin', 'the path of a GGUF file'],
    ['SUREFOOT_REDIS_URL', 'http://127.0.0.1', 'a redis:// or rediss:// URL'],
    ['SUREFOOT_REDIS_URL', 'redis://127.0.0.1:99999', 'a redis:// or rediss:// URL'],
    [
      'SUREFOOT_EXPERIMENTS',
      'a,b',
      'JSON, a list of experiments, each with a name and at least two variants that have names of their own',
    ],
    ['LOG_LEVEL', 'loud', 'one of trace, debug, info, warn, error, fatal, silent'],
  ])('%s=%s is refused with its name, its value and what is allowed', (name, text, range) => {
    const error = refusal({}, { [name]: text })
    expect(error.message).toBe(`${name} must be ${range}, but is "${text}".`)
    expect(error.hint).toBe(`Correct ${name} and start again.`)
  })

  it.each([
    [[{ name: 'a b' }], '[0].name must be 1 to 64 letters, digits or any of _ . : @ -.'],
    [[{ name: 'a' }], '[0].variants must be a list of 2 to 10 that have names of their own.'],
    [[{ name: 'a', variants: [{ model: 'x' }, { model: 'x' }] }], '[0].variants must be a list of 2 to 10 that'],
    [[{ name: 'a', variants: [{ model: 'x', wieght: 2 }, { model: 'y' }] }], 'Unrecognized key: "wieght"'],
    [
      [{ name: 'a', variants: [{ model: 'x', weight: '2' }, { model: 'y' }] }],
      '[0].variants[0].weight must be a number',
    ],
    [[{ name: 'a', variants: [{ model: 'x', weight: 0 }, { model: 'y' }] }], '[0].variants[0].weight must be a number'],
    [
      [{ name: 'a', variants: [{ model: 'x', options: { temperature: 'hot' } }, { model: 'y' }] }],
      "[0].variants[0].options must be an object of Ollama's options",
    ],
    [
      [{ name: 'a', variants: [{ model: 'x' }, { model: 'y' }], shadow: { model: 'z', share: 2 } }],
      'share must be a number',
    ],
    [
      [{ name: 'a', goal: 'money', variants: [{ model: 'x' }, { model: 'y' }] }],
      '[0].goal must be success or feedback',
    ],
  ])('experiments that are wrong are refused with the place: %j', (given, sentence) => {
    expect(refusal({}, { SUREFOOT_EXPERIMENTS: JSON.stringify(given) }).message).toContain(sentence)
    expect(refusal({ experiments: given }).message).toContain(sentence)
  })

  it('of a long value only the beginning is shown', () => {
    expect(refusal({}, { SUREFOOT_FALLBACK_MESSAGE: 'a'.repeat(10_001) }).message.length).toBeLessThan(300)
  })

  it('an empty or blank one counts as absent', () => {
    const blank = Object.fromEntries(SETTINGS.flatMap(({ env }) => (env === undefined ? [] : [[env, '  ']])))
    expect(readConfig({}, blank)).toEqual(readConfig())
  })

  it('one that is wrong does not matter when code gives the value', () => {
    expect(readConfig({ maxRetries: 0 }, { OLLAMA_MAX_RETRIES: 'three' }).maxRetries).toBe(0)
  })
})

describe('values given in code', () => {
  it('go before the environment and the preset; 0 is a value', () => {
    const given = { preset: 'production', maxRetries: 0, waitForReadyMs: 0, model: 'x' } as const
    expect(readConfig(given, { OLLAMA_MODEL: 'y', OLLAMA_MAX_RETRIES: '9' })).toMatchObject({
      maxRetries: 0,
      waitForReadyMs: 0,
      model: 'x',
    })
  })

  it('undefined counts as absent', () => {
    const given = { model: undefined } as unknown as SurefootConfig
    expect(readConfig(given, { OLLAMA_MODEL: 'y' }).model).toBe('y')
  })

  it('a wrong one is refused with the setting, its value, what is allowed, and the variable', () => {
    const error = refusal({ maxRetries: -1 })
    expect(error.message).toBe('maxRetries must be a whole number from 0 to 20, but is -1.')
    expect(error.hint).toBe('Correct maxRetries (variable OLLAMA_MAX_RETRIES) and start again.')
    expect(refusal({ jitter: 2 }).hint).toBe('Correct jitter and start again.')
  })

  it('a duration is told in the unit it is given in', () => {
    expect(refusal({ timeoutMs: 7_200_000 }).message).toBe(
      'timeoutMs must be a number of milliseconds from 1 to 3600000, but is 7200000.',
    )
  })

  it.each([null, '3', Number.NaN, {}, [], true])('of a wrong kind is refused, not corrected: %j', (value) => {
    expect(refusal({ maxRetries: value }).message).toMatch(/^maxRetries must be a whole number from 0 to 20, but is /)
    expect(refusal({ model: value === '3' ? null : value }).message).toContain('model must be a name')
  })

  it('a setting that does not exist is refused, with those that do', () => {
    const { message } = refusal({ timeout: 5 })
    expect(message).toContain('There is no setting "timeout".')
    for (const { name } of SETTINGS) expect(message).toContain(name)
    expect(refusal({ toString: 1 }).message).toContain('There is no setting "toString".')
  })
})

describe('the addresses', () => {
  const backends = (text: string | readonly string[]): readonly string[] => readConfig({ backends: text }).backends

  it.each([
    ['http://gpu-a:11434', ['http://gpu-a:11434']],
    ['http://gpu-a:11434/', ['http://gpu-a:11434']],
    ['gpu-a:11434', ['http://gpu-a:11434']],
    ['127.0.0.1:11434', ['http://127.0.0.1:11434']],
    ['localhost', ['http://localhost']],
    ['https://ollama.example/behind/a/path/', ['https://ollama.example/behind/a/path']],
    ['http://[::1]:11434', ['http://[::1]:11434']],
    ['HTTP://GPU-A:11434', ['http://gpu-a:11434']],
    ['http://gpu-a:11434, gpu-b:11434/ ,https://gpu-c', ['http://gpu-a:11434', 'http://gpu-b:11434', 'https://gpu-c']],
    ['gpu-a:1,,gpu-b:1,', ['http://gpu-a:1', 'http://gpu-b:1']],
  ])('%s', (text, expected) => {
    expect(backends(text)).toEqual(expected)
    expect(readConfig({}, { OLLAMA_BASE_URL: text }).backends).toEqual(expected)
  })

  it('can be an array', () => {
    expect(backends([' gpu-a:1 ', 'http://gpu-b:1/'])).toEqual(['http://gpu-a:1', 'http://gpu-b:1'])
  })

  it('one that is named twice is one backend', () => {
    expect(backends('gpu-a:1,http://gpu-a:1/,http://GPU-A:1')).toEqual(['http://gpu-a:1'])
  })

  it('one that is named with two passwords is a mistake, not the first of them in silence', () => {
    const error = refusal({ backends: 'http://u:first@gpu-a:1,gpu-b:1,http://u:second@gpu-a:1' })
    expect(error.message).toContain('none with two passwords')
    expect(JSON.stringify(error)).not.toMatch(/first|second/)
  })

  it('a name that stands for several is kept as it is, once, with http only', () => {
    expect(backends('dns+http://u:p@ollama.svc:11434/,dns+http://u:p@ollama.svc:11434')).toEqual([
      'dns+http://u:p@ollama.svc:11434',
    ])
    expect(refusal({ backends: 'dns+https://ollama.svc' }).code).toBe('INVALID_CONFIG')
    expect(refusal({ backends: 'dns+ftp://ollama.svc' }).code).toBe('INVALID_CONFIG')
  })

  it.each(['', [], 'http://a b', 'http://a?x=1', 'http://a#x', 'unix:///tmp/x', 'http://a:99999', 5, [5], null])(
    'is refused: %j',
    (value) => {
      expect(refusal({ backends: value }).message).toContain('backends must be one or several http(s) URLs')
    },
  )

  it.each([
    'ftp://user:hunter2@gpu-a',
    'http://user:hunter2@gpu-a:99999',
    'user:hunter2@gpu-a:99999',
    'http://user:hun@ter2@gpu-a:99999',
    'http://user:hunter2/hunter2@gpu-a:99999',
    'http://user:hunter2,hunter2@gpu-a:99999',
    'http://gpu-b,http://user:hunter2@gpu-a:99999',
    'http://user:hunter2%@gpu-a',
  ])('never shows a password: %s', (text) => {
    for (const error of [
      refusal({ backends: text }),
      refusal({ backends: [text] }),
      refusal({}, { OLLAMA_BASE_URL: text }),
    ]) {
      expect(JSON.stringify(error)).not.toMatch(/hunter2|hun@|user:/)
      expect(error.message).toContain('gpu-a')
    }
  })
})
