/**
 * The invariants, the first nine after section 4.2 B of the reliability reference:
 *
 * - I1 every call ends once, by its deadline and one second; I2 its text is the oracle's, to the character;
 * - I3 slots are never exceeded and nothing is left in the end; I4 no attempt too many, too late or after the end;
 * - I5 retries stay within the budget; I6 an open breaker lets nothing through, a half-open one one probe;
 * - I7 tenants share nothing; I8 none waits for the others; I9 nobody starves below load 0.8;
 * - I10 no answer is made from a prompt that was cut, and no model loaded anew for the same context twice;
 * - I11 a question is asked once at a time, and cached answers are whole, fresh and the tenant's own;
 * - I12 what an answer says of how it came about is true, and no rung is passed without need;
 * - I13 a key stays with its variant, and copies are in nobody's way.
 */
export type InvariantName = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10' | 'I11' | 'I12' | 'I13'

/** One breach of an invariant. */
export interface Violation {
  readonly atMs: number
  readonly invariant: InvariantName
  readonly text: string
}

/** Where breaches are reported. */
export type Report = (invariant: InvariantName, text: string) => void
