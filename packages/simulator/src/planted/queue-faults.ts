import type { PlantedFault } from './planted-fault.ts'

/** Mistakes about slots, the queue, loads and the life of a backend. */
export const QUEUE_FAULTS: readonly PlantedFault[] = [
  {
    name: 'the slot of a caller who leaves is never given back',
    edits: [
      {
        file: 'backends/backend.ts',
        find: 'else seat.giveBack(this.#now())',
        put: "else if (how.kind !== 'left') seat.giveBack(this.#now())",
      },
    ],
  },
  {
    name: 'a slot is given back twice',
    edits: [
      {
        file: 'backends/slots.ts',
        find: 'this.#total--\n        seat.giveBack(atMs)',
        put: 'this.#total--\n        seat.giveBack(atMs)\n        seat.giveBack(atMs)',
      },
    ],
  },
  {
    name: 'one slot more than there are is given away',
    edits: [{ file: 'backends/slots.ts', find: 'limit.held < limit.limit', put: 'limit.held <= limit.limit' }],
  },
  {
    name: 'who leaves the queue is not taken out of it and is given a slot',
    edits: [
      {
        file: 'layers/dispatch/dispatch.ts',
        find: 'withdraw()\n      reject(signal.reason as Error)',
        put: 'reject(signal.reason as Error)',
      },
      { file: 'layers/dispatch/dispatch.ts', find: "if (signal.aborted) lease.end({ kind: 'left' })", put: '' },
    ],
  },
  {
    name: 'who cannot make his deadline any more is given a slot all the same',
    edits: [
      {
        file: 'layers/dispatch/dispatcher.ts',
        find: 'if (isTooLate(queue, waiting, nowMs) && queue.length > 1) {',
        put: 'if (isTooLate(queue, waiting, nowMs) && queue.length < 0) {',
      },
    ],
  },
  {
    name: 'fairness between tenants is ignored',
    edits: [
      {
        file: 'layers/dispatch/fair-share.ts',
        find: 'return Math.max(this.#marks.get(tenant) ?? 0, this.#level)',
        put: 'return 0',
      },
    ],
  },
  {
    name: 'who has waited for long never goes before a higher priority',
    edits: [
      {
        file: 'layers/dispatch/model-queue.ts',
        find: 'return nowMs - sinceMs >= AGED_MS',
        put: 'return nowMs - sinceMs < 0',
      },
    ],
  },
  {
    name: 'every caller of a cold model begins a load',
    edits: [
      {
        file: 'backends/loader.ts',
        find: "else if (readiness === 'absent' && this.#load === undefined)",
        put: "else if (readiness === 'absent')",
      },
      {
        file: 'backends/backend.ts',
        find: "if (this.loader.loading(model) !== undefined) return 'loading'",
        put: '',
      },
    ],
  },
  {
    name: 'a load is broken off with the caller who caused it',
    edits: [{ file: 'transports/chat-attempt.ts', find: 'if (loading && this.#socket.isOpen) return', put: '' }],
  },
  {
    name: 'a silent backend is never asked for a token',
    edits: [
      { file: 'backends/watcher.ts', find: "await this.#ask(model, 'RESPONSE_TIMEOUT')", put: 'await undefined' },
    ],
    scenario: { name: 'wedged', scale: 0.05 },
  },
]
