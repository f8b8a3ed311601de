import type { Backend } from '../../backends/backend.ts'
import { BoundedMap } from '../../backends/bounded-map.ts'

/** Conversations remembered at the most. */
const MOST_CONVERSATIONS = 4_096

/**
 * Which backend served which conversation last: its runner still holds the beginning of it and need not read it again.
 * Keys are kept as hashes, as they may be what somebody said.
 */
export class Affinity {
  readonly #backends = new BoundedMap<number, Backend>(MOST_CONVERSATIONS)

  of(model: string, key: string | undefined): Backend | undefined {
    return key === undefined ? undefined : this.#backends.get(hash(model, key))
  }

  served(model: string, key: string | undefined, backend: Backend): void {
    if (key !== undefined) this.#backends.set(hash(model, key), backend)
  }
}

/** FNV-1a over both, 32 bits each way; two conversations that meet in it only share a preference. */
function hash(model: string, key: string): number {
  let value = 0x811c9dc5
  for (const text of [model, '\n', key]) {
    for (let index = 0; index < text.length; index++) {
      value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
    }
  }
  return value >>> 0
}
