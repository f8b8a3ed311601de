import type { Priority } from '@surefoot/protocol'

import type { Backend } from '../../backends/backend.ts'
import type { Lease } from '../../backends/lease.ts'
import type { CallPatience, Terms } from '../../service.ts'

/** Whoever wants a slot. */
export interface Applicant {
  /** Backends that failed this call already: others are preferred. */
  readonly exclude: ReadonlySet<string>
  /** Which backends it may go to at all. @default all */
  readonly eligible?: ((backend: Backend) => boolean) | undefined
  /** At once on an idle backend outside `exclude`, or not at all. */
  readonly onlyIfIdle?: boolean | undefined
  /** @default 'normal' */
  readonly priority?: Priority | undefined
  /** Whose call it is. @default one tenant for all who have none */
  readonly tenant?: string | undefined
  /** What of the conversation a backend may still hold. */
  readonly affinityKey?: string | undefined
  /** Length of the prompt in characters. @default 0 */
  readonly promptLength?: number | undefined
  /** When the call began, also if this is a later attempt of it, on the monotonic clock. @default now */
  readonly callSinceMs?: number | undefined
  /** On the monotonic clock. @default none */
  readonly deadlineAtMs?: number | undefined
  /** There is another way to answer. @default there is none: it waits as configured */
  readonly patience?: CallPatience | undefined
  /** Those of all who wait for its answer. @default its own priority and deadline, which do not change */
  readonly terms?: Terms | undefined
  grant(lease: Lease): void
  refuse(error: unknown): void
  /** It has to wait, or its place has changed. */
  queued(position: number, waitingFor: 'slot' | 'backend', expectedWaitMs: number | undefined): void
  /** It waits for its model to be loaded there. */
  loading?(backend: string, expectedMs: number | undefined): void
}

const RANKS: Readonly<Record<Priority, number>> = { critical: 0, high: 1, normal: 2, low: 3 }

/** An applicant that waits. */
export class Waiting {
  readonly applicant: Applicant
  /** 0 is the most important; it may rise. */
  rank: number
  readonly tenant: string
  readonly sinceMs: number
  readonly callSinceMs: number
  /** The earliest that it was asked with: an answer is needed no later because others wait longer. */
  readonly deadlineAtMs: number
  /** Orders those that came at the same time. */
  readonly arrival: number
  /** For one that may not go everywhere: since when no backend is usable that it may go to. */
  notReadySinceMs: number | undefined
  #toldPlace = ''
  #toldLoading = ''
  #unfollow: (() => void) | undefined

  constructor(applicant: Applicant, nowMs: number, arrival: number) {
    this.applicant = applicant
    this.rank = RANKS[applicant.priority ?? 'normal']
    this.tenant = applicant.tenant ?? ''
    this.sinceMs = nowMs
    this.callSinceMs = applicant.callSinceMs ?? nowMs
    this.deadlineAtMs = applicant.deadlineAtMs ?? Number.POSITIVE_INFINITY
    this.arrival = arrival
  }

  /** Tells its caller the place, 1 for the next, unless it knows. */
  tellPlace(position: number, waitingFor: 'slot' | 'backend', expectedWaitMs: number | undefined): void {
    const told = `${position} ${waitingFor}`
    if (this.#toldPlace === told) return
    this.#toldPlace = told
    this.applicant.queued(position, waitingFor, expectedWaitMs)
  }

  /** It may not go to every backend: what is possible for the others may be impossible for it. */
  get isChoosy(): boolean {
    return this.applicant.eligible !== undefined
  }

  /** An answer by then still serves somebody. */
  get answerByMs(): number {
    return this.applicant.terms?.deadlineAtMs ?? this.deadlineAtMs
  }

  /** Its rank by what it is worth now; it never falls. */
  get risenRank(): number {
    const { terms } = this.applicant
    return terms === undefined ? this.rank : Math.min(this.rank, RANKS[terms.priority])
  }

  /** Calls back when it has become more important, until it leaves. */
  follow(onRise: () => void): void {
    this.#unfollow = this.applicant.terms?.onChange(onRise)
  }

  /** It waits no more. */
  left(): void {
    this.#unfollow?.()
  }

  tellLoading(backend: string, expectedMs: number | undefined): void {
    if (this.#toldLoading === backend) return
    this.#toldLoading = backend
    this.applicant.loading?.(backend, expectedMs)
  }
}

/** Whether `a` goes before `b` when both are of one priority and one tenant: the earlier deadline, then the older call. */
export function goesBefore(a: Waiting, b: Waiting): boolean {
  if (a.deadlineAtMs !== b.deadlineAtMs) return a.deadlineAtMs < b.deadlineAtMs
  if (a.callSinceMs !== b.callSinceMs) return a.callSinceMs < b.callSinceMs
  return a.arrival < b.arrival
}
