/**
 * A stream of random numbers that is a function of its seed alone (sfc32). Each part of a world draws from a fork of its
 * own, so that one more draw in one part does not change what the others do.
 */
export class RandomStream {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number) {
    this.#a = 0x9e3779b9 ^ seed
    this.#b = 0x243f6a88
    this.#c = 0xb7e15162 ^ Math.imul(seed, 0x85ebca6b)
    this.#d = 1
    for (let round = 0; round < 12; round++) this.#uint32()
  }

  /** A stream that depends on this one's seed and the name, and not on what was drawn in between. */
  static forNames(seed: number, ...names: readonly (string | number)[]): RandomStream {
    return new RandomStream(names.reduce<number>((mixed, name) => hashText(String(name), mixed), seed | 0))
  }

  /** In [0, 1). */
  next(): number {
    return this.#uint32() / 4_294_967_296
  }

  /** A whole number from `least` to `most`, both possible. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)] as T
  }

  /** Times between the events of a Poisson process. */
  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean
  }

  /** Lognormal with that mean and that coefficient of variation; 0 gives the mean itself. */
  lognormal(mean: number, variation: number): number {
    const variance = Math.log(1 + variation ** 2)
    return Math.exp(Math.log(mean) - variance / 2 + Math.sqrt(variance) * this.#normal())
  }

  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next())
  }

  #uint32(): number {
    const sum = (this.#a + this.#b + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return sum >>> 0
  }
}

/** 32 bits of a text (FNV-1a). */
export function hashText(text: string, seed: number = 0): number {
  let hash = 0x811c9dc5 ^ seed
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}
