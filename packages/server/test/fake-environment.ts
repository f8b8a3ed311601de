import type { Environment } from '../src/cli/environment.ts'

export interface FakeEnvironment extends Environment {
  /** What was printed on standard output, and on standard error. */
  readonly printed: string
  readonly complained: string
  /** Listeners for the end that are left. */
  readonly listeners: number
  /** Ctrl-C. */
  interrupt(): void
}

/** An environment of a command without a process. */
export function createFakeEnvironment(env: Record<string, string> = {}): FakeEnvironment {
  let printed = ''
  let complained = ''
  const listeners = new Set<(signal: 'SIGINT') => void>()
  return {
    env,
    out: (line) => (printed += `${line}\n`),
    err: (line) => (complained += `${line}\n`),
    onEnd(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    interrupt: () => listeners.forEach((listener) => listener('SIGINT')),
    get printed() {
      return printed
    },
    get complained() {
      return complained
    },
    get listeners() {
      return listeners.size
    },
  }
}
