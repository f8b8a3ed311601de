import { expect, test } from 'vitest'

import { ERROR_CODES } from './error-codes.ts'
import type { ErrorCode } from './error-codes.ts'
import { SurefootError, surefootErrorFromJson } from './errors.ts'

const codes = Object.keys(ERROR_CODES) as ErrorCode[]

const FULL = {
  code: 'OVERLOADED',
  message: 'Too much.',
  hint: 'Later.',
  backend: 'http://gpu-a:11434',
  attempts: 0,
  retryAfterMs: 0,
  partial: '',
} as const

test.each(codes)('%s survives JSON with the hint of its code', (code) => {
  const error = new SurefootError({ code, message: 'It failed.' })
  const copy = surefootErrorFromJson(JSON.parse(JSON.stringify(error)))
  expect(copy).toBeInstanceOf(SurefootError)
  expect(copy?.toJSON()).toEqual({ code, message: 'It failed.', hint: ERROR_CODES[code].hint })
  expect(copy?.group).toBe(ERROR_CODES[code].group)
  expect(copy?.httpStatus).toBe(ERROR_CODES[code].httpStatus)
})

test('every field survives JSON, also those that are 0 or empty', () => {
  expect(surefootErrorFromJson(JSON.parse(JSON.stringify(new SurefootError(FULL))))?.toJSON()).toEqual(FULL)
})

test.each([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'OVERLOADED'],
  ['a list', []],
  ['no code', { message: 'x' }],
  ['a code of another version', { code: 'TOO_SLEEPY', message: 'x' }],
  ['a name that every object has', { code: 'constructor', message: 'x' }],
  ['no message', { code: 'INTERNAL' }],
])('%s is no error of ours', (_what, value) => {
  expect(surefootErrorFromJson(value)).toBeUndefined()
})

test('fields of the wrong type are left out', () => {
  const error = surefootErrorFromJson({ ...FULL, hint: 1, attempts: '2', backend: null })
  expect(error?.toJSON()).toEqual({
    code: 'OVERLOADED',
    message: 'Too much.',
    hint: ERROR_CODES.OVERLOADED.hint,
    retryAfterMs: 0,
    partial: '',
  })
})

test('is() knows errors of another copy of this package, and nothing else', () => {
  const foreign = Object.defineProperty(new Error('x'), Symbol.for('surefoot.error'), { value: true })
  expect(SurefootError.is(new SurefootError(FULL))).toBe(true)
  expect(SurefootError.is(foreign)).toBe(true)
  for (const other of [undefined, null, 'x', new Error('x'), FULL]) expect(SurefootError.is(other)).toBe(false)
})

test('neither stack nor cause crosses a wire', () => {
  const error = new SurefootError(FULL, { cause: new Error('secret') })
  expect(JSON.stringify(error)).not.toMatch(/secret|stack/)
})

test('with() replaces fields and keeps cause and stack', () => {
  const cause = new Error('why')
  const error = new SurefootError(FULL, { cause })
  const copy = error.with({ partial: 'Hello' })
  expect(copy.toJSON()).toEqual({ ...FULL, partial: 'Hello' })
  expect(copy.cause).toBe(cause)
  expect(copy.stack).toBe(error.stack)
})

test('overload is never a 5xx that clients run again by themselves', () => {
  for (const code of ['OVERLOADED', 'QUEUE_FULL', 'QUEUE_TIMEOUT'] as const) {
    expect(ERROR_CODES[code].httpStatus).toBe(429)
  }
})

test.each(codes)('%s says what it means and what to do, each in a sentence', (code) => {
  expect(ERROR_CODES[code].meaning).toMatch(/^[A-Z].*\.$/)
  expect(ERROR_CODES[code].hint).toMatch(/^[A-Z].*\.$/)
})
