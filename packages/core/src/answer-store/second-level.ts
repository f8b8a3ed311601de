/** Where several processes keep their answers together, behind the memory of each. Nothing it does ever fails a call. */
export interface SecondLevel {
  /** Whether it is worth asking now. */
  readonly isUp: boolean
  /** What is kept under a key; `undefined` also when it does not say so in time. Never rejects. */
  get(key: string): Promise<string | undefined>
  /** Keeps it for so long, if it can; nobody waits for that. */
  set(key: string, written: string, forMs: number): void
  close(): Promise<void>
}
