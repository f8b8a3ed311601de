import type { BreakerOutcome } from '../../src/backends/breaker.ts'

/** What can happen to a breaker. An `attempt` is the number of its admission. */
export type BreakerStep =
  | { readonly do: 'admit'; readonly atMs: number }
  | { readonly do: 'returned'; readonly atMs: number }
  | { readonly do: 'token' | BreakerOutcome; readonly atMs: number; readonly attempt: number; readonly reason: string }

/** F failed, S succeeded, U undecided, - left out of the count. */
type Mark = 'F' | 'S' | 'U' | '-'

/** The whole of a breaker as plain data. */
export interface BreakerModel {
  readonly is: 'closed' | 'open' | 'half-open'
  readonly sinceMs: number
  readonly admitted: number
  /** The attempts that count, in the order of admission; those from before an opening are gone. */
  readonly row: readonly { readonly attempt: number; readonly mark: Mark }[]
  readonly probe: number | undefined
  readonly openings: number
  readonly openedBy: number
  readonly cutAtMs: number
  readonly reason: string
  readonly told: readonly string[]
}

export type Rules = { readonly threshold: number; readonly openMs: number; readonly earlyClose: boolean }

const START = {
  is: 'closed',
  sinceMs: 0,
  admitted: 0,
  row: [],
  openings: 0,
  openedBy: 0,
  reason: '',
  told: [],
} as const
export const CLOSED: BreakerModel = { ...START, probe: undefined, cutAtMs: -Infinity }

const marks = ({ row }: BreakerModel): string => row.map(({ mark }) => (mark === '-' ? '' : mark)).join('')

export const failuresOf = (model: BreakerModel): number =>
  model.is === 'closed' ? /F*(?=U*$)/.exec(marks(model))![0].length : model.is === 'open' ? model.openedBy : 0

/** One of several backends waits the full time; the last one of a model 1, 2, 4 … 60 s. */
export function nextProbe({ is, sinceMs, openings }: BreakerModel, rules: Rules, isLast: boolean): number | undefined {
  const stairs = [1, 2, 4, 8, 16, 32][openings - 1] ?? 60
  const waitMs = isLast && rules.earlyClose ? Math.min(stairs * 1_000, rules.openMs) : rules.openMs
  return is === 'open' ? sinceMs + waitMs : undefined
}

export const admits = (model: BreakerModel, rules: Rules, isLast: boolean, nowMs: number): boolean =>
  model.is === 'open' ? nowMs >= nextProbe(model, rules, isLast)! : model.is === 'closed' || model.probe === undefined

const become = (model: BreakerModel, is: BreakerModel['is'], sinceMs: number): BreakerModel => {
  const next = { ...model, is, sinceMs }
  return { ...next, told: [...model.told, `${is} ${failuresOf(next)} ${next.reason}`] }
}

/** The rules of DESIGN "Failures, breaker, budget" and of section 2.6 of the reliability reference, one after the other. */
export function transition(model: BreakerModel, step: BreakerStep, rules: Rules): BreakerModel {
  const { atMs } = step
  // Unreachable and then reachable makes it half-open at once, whatever opened it.
  if (step.do === 'returned') return model.is === 'open' && rules.earlyClose ? become(model, 'half-open', atMs) : model
  if (step.do === 'admit') {
    const attempt = model.admitted
    const next = { ...model, admitted: attempt + 1 }
    if (model.is === 'closed') return { ...next, row: [...model.row, { attempt, mark: 'U' }] }
    const halfOpen = model.is === 'open' ? become(next, 'half-open', atMs) : next
    return { ...halfOpen, sinceMs: atMs, probe: attempt }
  }
  const { attempt } = step
  const place = model.row.findIndex((one) => one.attempt === attempt)
  // A first token ends the probe, and its stream is the first attempt of the new era. Neutral never closes it.
  if (model.probe === attempt) {
    const ended = { ...model, probe: undefined }
    if (step.do === 'neutral') return ended
    if (step.do === 'failure') return opened({ ...ended, reason: step.reason }, rules.threshold, atMs)
    return become({ ...ended, openings: 0, row: [{ attempt, mark: 'S' }] }, 'closed', atMs)
  }
  // An attempt admitted before it opened never moves it afterwards.
  if (place === -1) return model
  const set = (mark: Mark): BreakerModel => ({ ...model, row: model.row.with(place, { attempt, mark }) })
  const was = model.row[place]!.mark
  if (step.do === 'token' || step.do === 'success') return set('S')
  if (step.do === 'neutral') return judged(was === 'U' ? set('-') : model, rules, atMs)
  const { reason } = step
  if (was !== 'S') return judged({ ...set('F'), reason }, rules, atMs)
  // Streams cut within a second are one event.
  const sameEvent = atMs - model.cutAtMs < 1_000
  const cutAtMs = sameEvent ? model.cutAtMs : atMs
  return judged({ ...set(sameEvent ? '-' : 'F'), reason, cutAtMs }, rules, atMs)
}

/** Failures in a row open it, in the order of admission; what is undecided interrupts the row. */
function judged(model: BreakerModel, rules: Rules, atMs: number): BreakerModel {
  const runs = marks(model).split(/[SU]/)
  const longest = Math.max(...runs.map((run) => run.length))
  return longest >= rules.threshold ? opened(model, longest, atMs) : model
}

const opened = (model: BreakerModel, openedBy: number, atMs: number): BreakerModel =>
  become({ ...model, openedBy, openings: model.openings + 1, row: [] }, 'open', atMs)
