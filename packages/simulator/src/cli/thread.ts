import { Worker } from 'node:worker_threads'

import type { Task, TaskResult } from './task.ts'

/** What comes back from a thread. */
type Message = { readonly result: TaskResult } | { readonly error: string }

const OWN = new URL('./worker.ts', import.meta.url)

/** One thread that does tasks, one at a time. */
export class Thread {
  readonly #file: URL
  #worker: Worker | undefined

  /** @param file another copy of `worker.ts`. @default the one beside this file */
  constructor(file: URL = OWN) {
    this.#file = file
  }

  /** What came of it, or why nothing did; one that has died of its task is begun anew for the next. */
  ask(task: Task): Promise<TaskResult | Error> {
    const worker = (this.#worker ??= new Worker(this.#file))
    return new Promise((resolve) => {
      const done = (outcome: TaskResult | Error): void => {
        worker.off('message', onMessage).off('error', onError).off('exit', onExit)
        resolve(outcome)
      }
      const onMessage = (message: Message): void => {
        done('result' in message ? message.result : new Error(message.error))
      }
      const onError = (error: unknown): void => {
        this.#worker = undefined
        done(error instanceof Error ? error : new Error(String(error)))
      }
      const onExit = (): void => onError(new Error('The thread was ended'))
      worker.on('message', onMessage).on('error', onError).on('exit', onExit)
      worker.postMessage(task)
    })
  }

  /** Ends it in the middle of what it does. */
  async end(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }
}
