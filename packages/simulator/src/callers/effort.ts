/** What one model was asked for one call, as it shows on the wire. */
export class Effort {
  attempts = 0
  /** Failed attempts that cost a backend work. */
  costly = 0
  /** How many of the costly ones the budget has been charged for. */
  charged = 0
  /** A backend has said that the request is wrong. */
  foundWrong = false
  /** Until when each backend asked to be left alone, by its URL. */
  readonly restUntilMs: Map<string, number> = new Map()
}
