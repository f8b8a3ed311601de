import { ReplayBody } from '../../replay-body.ts'
import type { Delta, Reply } from '../../service.ts'

/** Reads a whole reply; what comes back is the same reply, which can no longer break. */
export async function collect({ backend, body }: Reply): Promise<Reply> {
  const deltas: Delta[] = []
  for (;;) {
    const { value, done } = await body.next()
    if (done === true) return { backend, body: new ReplayBody(deltas, value) }
    deltas.push(value)
  }
}
