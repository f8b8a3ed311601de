import type { Clock } from '../runtime/runtime.ts'
import type { Roster } from './roster.ts'

/** What must be known of the backends before a call is sent to a second one. */
export interface HedgeGuards {
  /** How much of the slots of all backends that may be asked for this model is taken, 0..1. */
  busyShare(model: string): number
  /** Whether that backend may be bringing the model into its memory. */
  mayBeLoading(model: string, backend: string): boolean
}

export function hedgeGuards({ fleet }: Roster, clock: Clock): HedgeGuards {
  return {
    busyShare(model) {
      const usable = fleet.usable(model)
      const held = usable.reduce((sum, { slots }) => sum + slots.heldBy(model), 0)
      const size = usable.reduce((sum, { slots }) => sum + slots.sizeOf(model), 0)
      return size === 0 ? 1 : held / size
    },
    mayBeLoading(model, backend) {
      const member = fleet.backends.find(({ name }) => name === backend)
      if (member === undefined) return true
      const residency = member.models.residency(model, clock.monotonicMs())
      return member.loading(model) !== undefined || residency === 'loading' || residency === 'absent'
    },
  }
}
