import { describe, expect, it } from 'vitest'
import { decodeGoJson, goJson } from './go-json.ts'

describe('JSON as Go has it', () => {
  it('escapes what HTML could take for its own', () => {
    expect(goJson('<a & b>\u2028')).toBe('"\\u003ca \\u0026 b\\u003e\\u2028"')
  })

  it.each([
    ['', 'EOF'],
    ['{"model":"x","messages":[{', 'unexpected EOF'],
    ['{"a', 'unexpected EOF'],
    ['[1,', 'unexpected EOF'],
    ['{"a": x}', "invalid character 'x' looking for beginning of value"],
    ['{"a": 1,', 'unexpected EOF'],
    ['hello', "invalid character 'h' looking for beginning of value"],
    ['{a', "invalid character 'a' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 2}', "invalid character '2' after object key:value pair"],
    ['[1 2]', "invalid character '2' after array element"],
    ['"a\nb"', "invalid character '\\n' in string literal"],
  ])('names the error of %j', (text, error) => {
    expect(decodeGoJson(text)).toEqual({ error })
  })

  it('reads one value and leaves the rest alone', () => {
    expect(decodeGoJson('{"a":1} trailing')).toEqual({ value: { a: 1 } })
  })
})
