/** Of the text after the seam only so many characters are looked at. */
const LOOKED_AT = 256
/** A shorter overlap is taken for chance. */
const SHORTEST_OVERLAP = 16
/** A new text that begins with so many characters of the whole answer is the answer begun anew. */
const HEAD = 32
/** So many characters at the end of the half that stood one overlap earlier too are a text that repeats itself. */
const BEGUN_AGAIN = 4
/** How far back it is looked whether a text repeats itself anyway. */
const REPEATS_WITHIN = 2_048

/** What is known of the seam: more text is needed, the model began anew, or so many characters are to be left out. */
export type Seam = { readonly kind: 'open' } | { readonly kind: 'restarted' } | { readonly kind: 'drop'; chars: number }

const OPEN: Seam = { kind: 'open' }
const RESTARTED: Seam = { kind: 'restarted' }

/**
 * Where two segments of one answer meet. A backend that goes on exactly has nothing to leave out; one that repeats the
 * last words is cut back to where the half ended, one that begins anew is found out.
 *
 * An overlap, or a beginning, that the half itself holds more than once is the way this text is written (a table, a
 * refrain), and not a fault of the seam. Source: section 3.3 of the reliability reference.
 */
export class Splice {
  readonly #half: string
  /** White space behind the half that the caller has already, and that the backend writes again. */
  readonly #owed: string
  #text = ''

  constructor(half: string, owed: string) {
    this.#half = half
    this.#owed = owed
  }

  /** More text after the seam. Nothing more may be pushed once the seam is not open any more. */
  push(text: string): Seam {
    this.#text += text
    return this.#judge(false)
  }

  /** No more text will come. */
  end(): Seam {
    return this.#judge(true)
  }

  #judge(ended: boolean): Seam {
    const text = this.#text
    const restart = this.#restart(ended)
    if (restart !== 'no') return restart === 'yes' ? RESTARTED : OPEN
    if (!ended && this.#mayOverlapMore()) return OPEN
    const overlap = this.#overlap()
    const rest = text.slice(overlap, overlap + this.#owed.length)
    if (!ended && rest.length < this.#owed.length && this.#owed.startsWith(rest)) return OPEN
    return { kind: 'drop', chars: overlap + commonPrefix(rest, this.#owed) }
  }

  #restart(ended: boolean): 'no' | 'maybe' | 'yes' {
    if (this.#half.length < HEAD) return 'no'
    const head = this.#half.slice(0, HEAD)
    if (this.#text.length < HEAD) return !ended && head.startsWith(this.#text) ? 'maybe' : 'no'
    return this.#text.startsWith(head) && !this.#half.includes(head, 1) ? 'yes' : 'no'
  }

  /** A longer overlap than the text that is here may still come. */
  #mayOverlapMore(): boolean {
    const have = this.#text.length
    const longest = Math.min(LOOKED_AT, this.#half.length)
    for (let chars = Math.max(have + 1, SHORTEST_OVERLAP); chars <= longest; chars++) {
      if (this.#half.startsWith(this.#text, this.#half.length - chars)) return true
    }
    return false
  }

  /** The half ends in the middle of repeating what it said so many characters before, as in the second of equal lines. */
  #isRepeating(chars: number): boolean {
    const end = this.#half.slice(-BEGUN_AGAIN)
    return (
      this.#half.length >= chars + BEGUN_AGAIN && this.#half.startsWith(end, this.#half.length - chars - BEGUN_AGAIN)
    )
  }

  /**
   * The end of the half that the new text begins with; 0 when there is more than one way to read it. One that begins as it
   * ends is read as a text that repeats itself: nothing is left out there.
   */
  #overlap(): number {
    const half = this.#half
    let found = 0
    for (let chars = Math.min(LOOKED_AT, half.length, this.#text.length); chars >= BEGUN_AGAIN; chars--) {
      if (found === 0 && chars < SHORTEST_OVERLAP) return 0
      if (!this.#text.startsWith(half.slice(half.length - chars))) continue
      if (found > 0) return 0
      found = chars
    }
    const piece = half.slice(half.length - found)
    const repeats = half.slice(-REPEATS_WITHIN, -1).includes(piece) || this.#isRepeating(found)
    return piece.trim() === '' || repeats ? 0 : found
  }
}

function commonPrefix(a: string, b: string): number {
  let chars = 0
  while (chars < a.length && chars < b.length && a[chars] === b[chars]) chars++
  return chars
}
