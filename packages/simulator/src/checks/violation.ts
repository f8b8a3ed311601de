/**
 * The nine invariants, after section 4.2 B of the reliability reference:
 *
 * - I1 every call ends once, by its deadline and one second; I2 its text is the oracle's, to the character;
 * - I3 slots are never exceeded and nothing is left in the end; I4 no attempt too many, too late or after the end;
 * - I5 retries stay within the budget; I6 an open breaker lets nothing through, a half-open one one probe;
 * - I7 tenants share nothing; I8 none waits for the others; I9 nobody starves below load 0.8.
 */
export type InvariantName = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9'

/** One breach of an invariant. */
export interface Violation {
  readonly atMs: number
  readonly invariant: InvariantName
  readonly text: string
}

/** Where breaches are reported. */
export type Report = (invariant: InvariantName, text: string) => void
