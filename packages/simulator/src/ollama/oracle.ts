import { hashText, RandomStream } from '../time/random-stream.ts'

/** Pieces that models speak in; about as long as real tokens. */
const VOCABULARY_SIZE = 1_024

/** What a modelled model can say, piece by piece: words with a space before them, ends of lines, letters of all lengths. */
export const VOCABULARY: readonly string[] = createVocabulary()

function createVocabulary(): string[] {
  const random = new RandomStream(7)
  const syllables = ['ba', 'ko', 'mi', 'tan', 'er', 'lu', 'sé', 'do', 'fri', 'ng', 'a', 'wo', 'ть', '水', 'ü', '🙂']
  const words = new Set<string>(['.', ',', '\n', '\n\n', ' "', '\t'])
  while (words.size < VOCABULARY_SIZE) {
    const word = Array.from({ length: random.whole(1, 3) }, () => random.pick(syllables)).join('')
    words.add(random.chance(0.85) ? ` ${word}` : word)
  }
  return [...words]
}

/** What a model says to one question: a function of the question alone, so that every reader can be checked against it. */
export class OracleAnswer {
  /** Indices into the vocabulary. */
  readonly pieces: Uint16Array
  #text: string | undefined
  #ends: Int32Array | undefined

  constructor(question: string, length: number) {
    this.pieces = new Uint16Array(length)
    const seed = hashText(question)
    for (let index = 0; index < length; index++) {
      const mixed = Math.imul(seed ^ Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b)
      this.pieces[index] = (mixed ^ (mixed >>> 15)) & (VOCABULARY_SIZE - 1)
    }
  }

  get text(): string {
    this.#text ??= this.textOf(this.pieces.length)
    return this.#text
  }

  /** The text of the first so many pieces. */
  textOf(length: number): string {
    let text = ''
    for (let index = 0; index < length; index++) text += VOCABULARY[this.pieces[index] as number]
    return text
  }

  /** How many pieces a half answer is long; `undefined` when it is not the beginning of this answer or ends within a piece. */
  piecesIn(half: string): number | undefined {
    if (!this.text.startsWith(half)) return undefined
    const ends = (this.#ends ??= this.#measure())
    for (let index = 0; index < ends.length; index++) {
      const end = ends[index] as number
      if (end === half.length) return index
      if (end > half.length) return undefined
    }
    return undefined
  }

  /** Where each number of pieces ends, in characters; 0 pieces first. */
  #measure(): Int32Array {
    const ends = new Int32Array(this.pieces.length + 1)
    for (let index = 0; index < this.pieces.length; index++) {
      ends[index + 1] = (ends[index] as number) + (VOCABULARY[this.pieces[index] as number] as string).length
    }
    return ends
  }
}
