/** A map that forgets its oldest entries beyond a size, as far as they may be forgotten. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #most: number
  readonly #mayForget: (value: V) => boolean
  /**
   * Where the oldest entry is. Begun anew each time, it would first walk over all the places of entries deleted since the
   * map last grew: 100 microseconds in one of 100,000 entries.
   */
  #oldest: MapIterator<[K, V]> | undefined
  /** Sets since it moved on: while it stands, it keeps every table alive that the map has outgrown. */
  #since = 0

  constructor(most: number, mayForget: (value: V) => boolean = () => true) {
    super()
    this.#most = most
    this.#mayForget = mayForget
  }

  override set(key: K, value: V): this {
    // Set again, it counts as new.
    this.delete(key)
    super.set(key, value)
    this.#since++
    if (this.size > this.#most) this.#forgetOne(key)
    else if (this.#since > this.#most) this.#oldest = undefined
    return this
  }

  #forgetOne(but: K): void {
    // Those that might not be forgotten are behind it, and have their turn when it has come to the end.
    const isWhole = this.#oldest === undefined
    this.#since = 0
    this.#oldest ??= this.entries()
    for (let next = this.#oldest.next(); next.done !== true; next = this.#oldest.next()) {
      const [key, value] = next.value
      if (key === but || !this.#mayForget(value)) continue
      this.delete(key)
      return
    }
    this.#oldest = undefined
    if (!isWhole) this.#forgetOne(but)
  }
}
