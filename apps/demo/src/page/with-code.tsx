import type { ReactNode } from 'react'

/** A sentence in which what stands between backticks is set as code: hints name commands that way. */
export function WithCode({ text }: { readonly text: string }): ReactNode {
  return text.split('`').map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))
}
