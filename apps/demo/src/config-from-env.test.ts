import { readConfig } from '@surefoot/core'
import { expect, it } from 'vitest'

import { configFromEnv } from './config-from-env.ts'

const read = (env: Record<string, string>): unknown => configFromEnv(readConfig({}, env), env)

it('leaves the defaults to the demo, and writes no records', () => {
  expect(read({})).toEqual({ logLevel: 'silent' })
  expect(read({ OLLAMA_TIMEOUT: ' ', SUREFOOT_CACHE: '' })).toEqual({ logLevel: 'silent' })
})

it('hands on what was set', () => {
  expect(
    read({
      LOG_LEVEL: 'debug',
      OLLAMA_TIMEOUT: '20',
      OLLAMA_MAX_RETRIES: '2',
      SUREFOOT_CACHE: 'false',
      SUREFOOT_DEGRADE_MODELS: 'qwen3:8b',
      SUREFOOT_DEGRADE_TO_CACHE: '1',
      SUREFOOT_EXPERIMENTS: '[{"name":"size","variants":[{"model":"a"},{"model":"b"}]}]',
    }),
  ).toEqual({
    logLevel: 'debug',
    timeoutMs: 20_000,
    maxRetries: 2,
    cache: false,
    degradeModels: ['qwen3:8b'],
    degradeToCache: true,
    experiments: [
      {
        name: 'size',
        goal: 'success',
        variants: [
          { name: 'a', model: 'a', weight: 1 },
          { name: 'b', model: 'b', weight: 1 },
        ],
      },
    ],
  })
})
