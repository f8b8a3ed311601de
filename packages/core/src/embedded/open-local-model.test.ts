import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createVirtualTime } from '@surefoot/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { openLocalModel } from './open-local-model.ts'

let folder: string
const file = (name: string, content: string): string => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'surefoot-local-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const load = (): Promise<never> => Promise.reject(new Error('loaded at start'))

it('is made of a GGUF file, and loads nothing', () => {
  expect(openLocalModel(file('tiny.gguf', 'GGUF…'), createVirtualTime(), load).name).toBe('tiny')
})

it.each([
  ['no file', 'absent.gguf', undefined, 'cannot be read'],
  ['an empty file', 'empty.gguf', '', 'is none'],
  ['another file', 'page.gguf', '<html>', 'is none'],
])('%s is a wrong setting, found at start', (_, name, content, problem) => {
  const path = content === undefined ? join(folder, name) : file(name, content)
  expect(() => openLocalModel(path, createVirtualTime(), load)).toThrow(
    expect.objectContaining({
      code: 'INVALID_CONFIG',
      message: `localModel must be the path of a GGUF file, but ${path} ${problem}.`,
    }),
  )
})

it('without its package it is one too, with the command that mends it', () => {
  expect(() => openLocalModel(file('tiny.gguf', 'GGUF…'), createVirtualTime())).toThrow(
    expect.objectContaining({
      code: 'INVALID_CONFIG',
      message: 'localModel needs the package node-llama-cpp, which is not installed.',
      hint: 'Run: npm install node-llama-cpp',
    }),
  )
})
