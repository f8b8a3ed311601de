import { expect, it } from 'vitest'
import { splitIntoTokens } from './tokens.ts'

it.each([
  '',
  'The capital of France is Paris.',
  ' a\n\n b  c ',
  'na\u00efve \u{1f98a}\u{1f98a} x=1; // \u4f60\u597d',
  "it's",
])('splits %j into pieces that join to the same text', (text) => {
  const tokens = splitIntoTokens(text)
  expect(tokens.join('')).toBe(text)
  expect(tokens.every((token) => token !== '')).toBe(true)
})
