import type { Delta, Final, Reply } from '../../service.ts'

/** Reads a whole reply; what comes back is the same reply, which can no longer break. */
export async function collect(reply: Reply): Promise<Reply> {
  const deltas: Delta[] = []
  for (;;) {
    const { value, done } = await reply.body.next()
    if (done === true) return { backend: reply.backend, body: replay(deltas, value) }
    deltas.push(value)
  }
}

async function* replay(deltas: readonly Delta[], final: Final): AsyncGenerator<Delta, Final, void> {
  yield* deltas
  return final
}
