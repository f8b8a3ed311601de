/** The process as the commands see it, so that tests run them without one. */
export interface Environment {
  readonly env: Readonly<Record<string, string | undefined>>
  /** One line on standard output. */
  out(line: string): void
  /** One line on standard error. */
  err(line: string): void
  /** Calls back when the operator asks to end (Ctrl-C, SIGTERM), each time. Returns how to stop listening. */
  onEnd(listener: (signal: 'SIGINT' | 'SIGTERM') => void): () => void
}

/** The real process. */
export function processEnvironment(): Environment {
  return {
    env: process.env,
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    onEnd(listener) {
      const signals = ['SIGINT', 'SIGTERM'] as const
      for (const signal of signals) process.on(signal, listener)
      return () => {
        for (const signal of signals) process.off(signal, listener)
      }
    },
  }
}
