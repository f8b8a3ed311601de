import type { ChatRequest } from '@surefoot/protocol'

/** What a model must be able to do beside chatting, in Ollama's words. */
export type Capability = 'vision' | 'tools'

/** What the model must be able to do that answers this: Ollama drops images and tool results in silence where it is not. */
export function needsOf({ messages, tools }: ChatRequest): readonly Capability[] {
  const needs: Capability[] = []
  if (messages.some(({ images }) => isFilled(images))) needs.push('vision')
  const isAboutTools = messages.some(({ role, tool_calls }) => role === 'tool' || isFilled(tool_calls))
  if (isFilled(tools) || isAboutTools) needs.push('tools')
  return needs
}

/** Whether a program reads the answer, and would not know what to make of a sentence in its place. */
export function isForProgram(request: ChatRequest): boolean {
  return isFormatted(request) || isFilled(request.tools)
}

/** Whether the small model in this process can do what is asked for: it only talks. */
export function isPlainTalk(request: ChatRequest): boolean {
  return needsOf(request).length === 0 && !isFormatted(request)
}

function isFormatted({ format }: ChatRequest): boolean {
  return format !== undefined && format !== null && format !== ''
}

function isFilled(list: readonly unknown[] | undefined): boolean {
  return list !== undefined && list.length > 0
}
