import type { HealthReport } from '@surefoot/protocol'

/** What is checked: a Surefoot in this process or a server elsewhere. */
export interface Target extends AsyncDisposable {
  /** What it is and where, for the first line. */
  readonly name: string
  /** Asks the backends now. */
  health(signal: AbortSignal): Promise<HealthReport>
  /** The text of one answer. */
  ask(question: string, system: string, signal: AbortSignal): Promise<string>
}
