/**
 * Why an attempt was given up: another one of the same call was faster. Its Ollama may notice that only at its own first
 * token (F39), so its slot stays taken for a while.
 */
export class LostRace extends Error {
  /** How long its slot stays taken, in milliseconds. */
  readonly staysTakenMs: number

  constructor(staysTakenMs: number) {
    super('another attempt answered first')
    this.name = 'LostRace'
    this.staysTakenMs = staysTakenMs
  }
}
