import type { Priority } from '@surefoot/protocol'

import type { CallRecord } from './call-record.ts'

const ORDER: readonly (Priority | undefined)[] = ['critical', 'high', 'normal', 'low']

/** All calls of a world: those under way, and, where several may ask the same, those that were. */
export class CallBook {
  readonly open: Map<number, CallRecord> = new Map()
  /** Requests tell by a mark whose they are. */
  readonly isMarked: boolean
  readonly #all = new Map<number, CallRecord>()
  /** Those that may be answered together. */
  readonly #byKey = new Map<string, CallRecord[]>()

  constructor(isMarked: boolean) {
    this.isMarked = isMarked
  }

  add(call: CallRecord): void {
    this.open.set(call.id, call)
    if (!this.isMarked) return
    this.#all.set(call.id, call)
    const same = this.#byKey.get(call.key)
    if (same === undefined) this.#byKey.set(call.key, [call])
    else same.push(call)
  }

  /** Whoever it was; where nothing is shared, only one that is under way. */
  byId(id: number): CallRecord | undefined {
    return this.isMarked ? this.#all.get(id) : this.open.get(id)
  }

  /**
   * Who still waits for what that call began: itself, or one that has joined it, or has joined one that had; of several the
   * one that can wait the longest.
   */
  waitingFor(call: CallRecord): CallRecord | undefined {
    let longest = isWaiting(call) ? call : undefined
    if (!this.isMarked || !isShared(call)) return longest
    // It goes on as long as one follows the other.
    let untilMs = overAtMs(call)
    for (const other of this.#byKey.get(call.key) ?? []) {
      if (other === call || other.joinedAtMs === undefined || other.joinedAtMs > untilMs) continue
      if (overAtMs(other) < call.startedMs) continue
      untilMs = Math.max(untilMs, overAtMs(other))
      if (isWaiting(other) && other.deadlineAtMs > (longest?.deadlineAtMs ?? 0)) longest = other
    }
    return longest
  }

  /** One has joined those who ask the same: they are as important as the most important of them. */
  joined(call: CallRecord): void {
    const same = [...this.open.values()].filter(({ key }) => key === call.key)
    const ranks = same.map(({ priority }) => ORDER.indexOf(priority ?? 'normal'))
    const best = ORDER[Math.min(...ranks)]
    for (const other of same) other.priority = best
  }
}

/** Nothing in it is left to chance. */
export function isShared({ question: { temperature, isWrong } }: CallRecord): boolean {
  return temperature === 0 && isWrong !== true
}

function isWaiting({ outcome, leftAtMs }: CallRecord): boolean {
  return outcome === undefined && leftAtMs === undefined
}

function overAtMs({ endedMs, leftAtMs }: CallRecord): number {
  return Math.min(endedMs ?? Number.POSITIVE_INFINITY, leftAtMs ?? Number.POSITIVE_INFINITY)
}
