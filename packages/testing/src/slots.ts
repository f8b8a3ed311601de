/** Slots in which models generate; who finds none free waits in line. */
export interface Slots {
  /** Takes a slot of a model and resolves with what gives it back; leaves the line when the signal aborts. */
  take(model: string, signal: AbortSignal): Promise<() => void>
  /** Lets waiting requests in after the number of slots has grown. */
  refresh(): void
}

interface Line {
  running: number
  readonly waiting: (() => void)[]
}

/** Makes the slots; each model has its own, as each has its own runner. */
export function createSlots(perModel: () => number): Slots {
  const lines = new Map<string, Line>()

  const admit = (line: Line): void => {
    while (line.running < perModel() && line.waiting.length > 0) line.waiting.shift()?.()
  }

  return {
    refresh() {
      for (const line of lines.values()) admit(line)
    },
    async take(model, signal) {
      signal.throwIfAborted()
      const line = lines.get(model) ?? { running: 0, waiting: [] }
      lines.set(model, line)
      if (line.running < perModel() && line.waiting.length === 0) line.running++
      else await waitInLine(line, signal)
      return () => {
        line.running--
        admit(line)
      }
    },
  }
}

function waitInLine(line: Line, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      line.waiting.splice(line.waiting.indexOf(enter), 1)
      reject(signal.reason as Error)
    }
    const enter = (): void => {
      signal.removeEventListener('abort', leave)
      // Taken here and not after the promise, so that nobody slips in between.
      line.running++
      resolve()
    }
    signal.addEventListener('abort', leave, { once: true })
    line.waiting.push(enter)
  })
}
