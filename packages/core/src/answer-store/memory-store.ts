import { LRUCache } from 'lru-cache'

/** What is kept under one key. */
export interface Entry {
  /** As `writeAnswer` prints it. */
  readonly written: string
  /** When a model wrote it, on the monotonic clock. */
  readonly writtenAtMs: number
  readonly digest: string | undefined
}

/** An answer that would take more than this part of the memory is not kept: it would push out too many others. */
const LARGEST_PART = 1 / 8
/** What an entry takes beside its texts, with its part of the map and the list: 165 bytes were measured (Node 26). */
const OVERHEAD_BYTES = 256

/** Answers in the memory of this process, the least recently used of them gone first. */
export class MemoryStore {
  readonly #entries: LRUCache<string, Entry>
  /** How large an answer may be, in bytes. */
  readonly mostBytes: number

  /** @param maxBytes that all entries may take together, their keys and what surrounds them included. */
  constructor(maxBytes: number) {
    this.mostBytes = Math.floor(maxBytes * LARGEST_PART)
    this.#entries = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: this.mostBytes,
      sizeCalculation: ({ written, digest }, key) =>
        bytesOf(written) + bytesOf(key) + bytesOf(digest ?? '') + OVERHEAD_BYTES,
    })
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#entries.calculatedSize
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key)
  }

  /** Does nothing with one that is too large, but forgets the one before it. */
  set(key: string, entry: Entry): void {
    this.#entries.set(key, entry)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }
}

/** What a text takes in memory: one byte a character, or two as soon as one of them needs it. */
function bytesOf(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length
}
