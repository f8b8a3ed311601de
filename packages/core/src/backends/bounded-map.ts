/** A map that forgets its oldest entries beyond a size, as far as they may be forgotten. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #most: number
  readonly #mayForget: (value: V) => boolean

  constructor(most: number, mayForget: (value: V) => boolean = () => true) {
    super()
    this.#most = most
    this.#mayForget = mayForget
  }

  override set(key: K, value: V): this {
    // Set again, it counts as new.
    this.delete(key)
    super.set(key, value)
    if (this.size > this.#most) this.#forgetOne(key)
    return this
  }

  #forgetOne(but: K): void {
    for (const [key, value] of this) {
      if (key === but || !this.#mayForget(value)) continue
      this.delete(key)
      return
    }
  }
}
