import { VOCABULARY } from './oracle.ts'

/** The date of every line: nobody reads it, and printing one a token would cost more than everything else. */
const CREATED_AT = '2026-11-23T03:04:38.252810327Z'

/** The lines of one model's chat stream, printed once. */
export class TokenLines {
  readonly #model: string
  readonly #text: (content: string) => object
  readonly #lines: (Buffer | undefined)[] = []

  constructor(model: string, route: 'chat' | 'generate') {
    this.#model = model
    this.#text = (content) => (route === 'chat' ? { message: { role: 'assistant', content } } : { response: content })
  }

  token(piece: number): Buffer {
    return (this.#lines[piece] ??= this.words(VOCABULARY[piece] as string))
  }

  words(content: string): Buffer {
    return this.#line({ ...this.#text(content), done: false })
  }

  last(doneReason: string, numbers: object): Buffer {
    return this.#line({ ...this.#text(''), done: true, done_reason: doneReason, ...numbers })
  }

  whole(content: string, doneReason: string, numbers: object): Buffer {
    return this.#line({ ...this.#text(content), done: true, done_reason: doneReason, ...numbers })
  }

  rendered(prompt: string): Buffer {
    return this.#line({ ...this.#text(''), done: false, _debug_info: { rendered_template: prompt } })
  }

  #line(fields: object): Buffer {
    return Buffer.from(`${JSON.stringify({ model: this.#model, created_at: CREATED_AT, ...fields })}\n`)
  }
}

export function errorLine(text: string): Buffer {
  return Buffer.from(`${JSON.stringify({ error: text })}\n`)
}
