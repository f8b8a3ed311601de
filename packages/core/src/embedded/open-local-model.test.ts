import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createVirtualTime } from '@surefoot/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { openLocalModel } from './open-local-model.ts'

let folder: string
/** Version 3, 272 tensors, 37 entries. */
const GGUF = Buffer.from('47475546030000001001000000000000250000000000000000', 'hex')
const file = (name: string, content: string | Buffer): string => {
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
  expect(openLocalModel(file('tiny.gguf', GGUF), createVirtualTime(), load).name).toBe('tiny')
})

it.each([
  ['no file', 'absent.gguf', undefined, 'cannot be read'],
  ['an empty file', 'empty.gguf', '', 'is none'],
  ['another file', 'page.gguf', '<html>'.repeat(10), 'is none'],
  ['one that ends in its header', 'cut.gguf', GGUF.subarray(0, 20), 'is none'],
  ['one whose header makes no sense', 'damaged.gguf', 'GGUF and nothing else, whatever comes', 'is none'],
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
  expect(() => openLocalModel(file('tiny.gguf', GGUF), createVirtualTime())).toThrow(
    expect.objectContaining({
      code: 'INVALID_CONFIG',
      message: 'localModel needs the package node-llama-cpp, which is not installed.',
      hint: 'Run: npm install node-llama-cpp',
    }),
  )
})
