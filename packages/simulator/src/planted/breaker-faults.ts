import type { PlantedFault } from './planted-fault.ts'

const file = 'backends/breaker.ts'

/** The seven traps of cockatiel 4.0.0, as mistakes in our own breaker. */
export const BREAKER_FAULTS: readonly PlantedFault[] = [
  {
    name: 'half-open: the other callers wait until the probe has ended, not until its first token',
    trap: 1,
    edits: [
      {
        file,
        find: 'if (counts()) this.#succeed(admission, nowMs)',
        put: "if (counts() && this.#state.kind !== 'half-open') this.#succeed(admission, nowMs)",
      },
    ],
  },
  {
    name: "a caller's mistake in half-open closes the breaker",
    trap: 2,
    edits: [
      {
        file,
        find: "} else if (this.#state.kind === 'half-open') {\n      this.#state = {",
        put: "} else if (this.#state.kind === 'half-open' && reason === 'INVALID_REQUEST') {\n      this.#succeed(admission, nowMs)\n    } else if (this.#state.kind === 'half-open') {\n      this.#state = {",
      },
    ],
  },
  {
    name: 'a caller who leaves in half-open closes the breaker',
    trap: 3,
    edits: [
      {
        file,
        find: "} else if (this.#state.kind === 'half-open') {\n      this.#state = {",
        put: "} else if (this.#state.kind === 'half-open' && reason === '') {\n      this.#succeed(admission, nowMs)\n    } else if (this.#state.kind === 'half-open') {\n      this.#state = {",
      },
    ],
  },
  {
    name: 'a call that began before the breaker opened moves it in half-open',
    trap: 4,
    edits: [
      {
        file,
        find: '!admission.ended && admission.generation === this.#generation',
        put: '!admission.ended',
      },
    ],
  },
  {
    name: 'a long success that began earlier wipes out the failures of the row',
    trap: 5,
    edits: [
      {
        file,
        find: "if (outcome === 'success') {\n      this.#succeed(admission, nowMs)",
        put: "if (outcome === 'success') {\n      this.#succeed(admission, nowMs)\n      for (const each of this.#row) if (each.outcome === 'failure') each.outcome = 'neutral'",
      },
    ],
  },
  {
    name: 'failures count for ever: answers in between do not interrupt the row',
    trap: 6,
    edits: [
      {
        file,
        find: "return outcome === 'failure' || outcome === 'neutral'",
        put: "return outcome !== 'undecided'",
      },
    ],
  },
  {
    name: 'below one call a second it never opens',
    trap: 7,
    edits: [
      {
        file,
        find: 'if (failures >= this.#options.threshold) this.#open(nowMs, failures)',
        put: 'const perSecond = (this.#row.length * 1_000) / (nowMs - this.#state.sinceMs)\n    if (failures >= this.#options.threshold && perSecond >= 1) this.#open(nowMs, failures)',
      },
    ],
  },
]
