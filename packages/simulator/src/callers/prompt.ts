import type { ChatMessage } from '@surefoot/protocol'

import type { Question } from './question.ts'

/** What every question begins with; its number follows, or that of its topic. */
export const QUESTION = 'Question '

/** What tells a question from others: two calls with the same topic ask the same. */
export function textOf(id: number, { topic, promptTokens = 0, wordLength = 4 }: Question): string {
  const name = `${QUESTION}${topic === undefined ? id : `T${topic}`}.`
  return promptTokens === 0 ? name : `${name}${words(promptTokens, wordLength)}`
}

/** What was said before the question. */
export function historyOf({ history = [], wordLength = 4 }: Question): readonly ChatMessage[] {
  return history.map((tokens, index) => ({
    role: index % 2 === 0 ? 'user' : 'assistant',
    content: `Earlier.${words(tokens, wordLength)}`,
  }))
}

function words(count: number, length: number): string {
  return ` ${'w'.repeat(length - 1)}`.repeat(count)
}
