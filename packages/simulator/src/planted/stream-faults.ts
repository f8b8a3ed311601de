import type { PlantedFault } from './planted-fault.ts'

/** Mistakes about the text of an answer and its end. */
export const STREAM_FAULTS: readonly PlantedFault[] = [
  {
    name: 'an answer that ends without its end mark is taken for whole',
    edits: [
      {
        file: 'transports/chat-attempt.ts',
        find: 'if (this.#final === undefined) this.#fail(',
        put: "if (this.#final === undefined && this.#reply.gotToken) {\n      const message = { role: 'assistant', content: '' }\n      this.#onFinal({ bytes: Buffer.from('{}'), chunk: { model: '', created_at: '', message, done: true } })\n    } else if (this.#final === undefined) this.#fail(",
      },
    ],
  },
  {
    name: 'a line that holds an error is taken for text',
    edits: [
      {
        file: 'transports/chat-line.ts',
        find: "return { kind: 'error', text: (typeof",
        put: "const content = String(error)\n  return { kind: 'delta', delta: WireDelta.printed({ model: '', created_at: '', message: { role: 'assistant', content }, done: false }) }\n  return { kind: 'error', text: (typeof",
      },
    ],
  },
  {
    name: 'the echo of the half answer is shown again',
    edits: [
      {
        file: 'transports/continued-exchange.ts',
        find: "from.mode === 'chat-prefill+echo' ? withoutEcho(from.text) : readChatLine",
        put: 'readChatLine',
      },
    ],
  },
  {
    name: 'white space that was held back at the end of an answer is lost',
    edits: [
      {
        file: 'layers/resume/resumable-body.ts',
        find: 'this.#show(this.#held.splice(0))\n    this.#end = { final:',
        put: 'this.#end = { final:',
      },
    ],
  },
  {
    name: 'an answer that is gone on with may become longer than its caller wanted',
    edits: [
      {
        file: 'transports/continued-exchange.ts',
        find: 'num_predict: Math.max(1, limit - tokens)',
        put: 'num_predict: limit',
      },
    ],
  },
]
