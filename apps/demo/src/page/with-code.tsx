import type { ReactNode } from 'react'

/** A text in which what stands between two backticks is set as code: hints name commands that way, and models do. */
export function WithCode({ text }: { readonly text: string }): ReactNode {
  if (!text.includes('`')) return text
  // A backtick without its partner, as while an answer grows, stays as it is.
  return text.split(/`([^`\n]+)`/).map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))
}
