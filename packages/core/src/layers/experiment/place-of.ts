import { hash } from 'node:crypto'

/** Bytes of the hash that each half is made of: 48 bits are whole numbers to JavaScript. */
const HALF_BYTES = 6

/** Where a key lies in an experiment. */
export interface Place {
  /** In [0, 1); evenly spread, the same for a key in every process and at all times. */
  readonly at: number
  /** Stands for the key where it has to be remembered, as keys may be what somebody said. */
  readonly mark: number
}

/**
 * The place of a key on the line from 0 to 1 that the arms of an experiment share. SHA-256 over both names: keys that
 * differ by one character lie anywhere, and what a key gets in one experiment says nothing of the next one.
 */
export function placeOf(experiment: string, key: string): Place {
  // A name holds no line break.
  const bytes = hash('sha256', `${experiment}\n${key}`, 'buffer')
  return {
    at: bytes.readUIntBE(0, HALF_BYTES) / 2 ** (8 * HALF_BYTES),
    mark: bytes.readUIntBE(HALF_BYTES, HALF_BYTES),
  }
}

/** The arm whose part of the line the place lies in; their parts follow each other in their order, as long as their weights. */
export function armAt(at: number, weights: readonly number[]): number {
  const all = weights.reduce((sum, weight) => sum + weight, 0)
  let end = 0
  for (const [arm, weight] of weights.entries()) {
    end += weight / all
    if (at < end) return arm
  }
  return weights.length - 1
}
