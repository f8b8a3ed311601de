/** A source of random numbers that can be replaced in a test. */
export interface RandomSource {
  /** The next number in [0, 1). */
  next(): number
}

/**
 * Makes a source that yields the same numbers for the same seed (mulberry32).
 *
 * @param seed any integer; only its low 32 bits count
 */
export function createSeededRandom(seed: number): RandomSource {
  let state = seed >>> 0
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
    },
  }
}
