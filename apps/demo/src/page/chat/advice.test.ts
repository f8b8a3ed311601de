import { ERROR_CODES, type ErrorCode } from '@surefoot/protocol'
import { expect, it } from 'vitest'

import { adviceFor } from './advice.ts'

const advice = (code: ErrorCode, isBrokenOnPurpose = false): string =>
  adviceFor({ code, ...ERROR_CODES[code], message: '' }, isBrokenOnPurpose)

it('begins with what to do, without the words of the machinery', () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    expect(advice(code)).toMatch(/: (try again|start|ask)\b.*\.$/)
    expect(advice(code)).not.toMatch(/breaker|backend|connect|stream|token|queue/i)
  }
})

it('says what was pressed, except where the page has lost its own server or the question is at fault', () => {
  expect(advice('BREAKER_OPEN', true)).toContain('press “Nothing broken” in the engine room')
  expect(advice('SERVER_UNREACHABLE', true)).toContain('start the demo again')
  expect(advice('CONTEXT_OVERFLOW', true)).toContain('ask a shorter question')
})
