import { Worker } from 'node:worker_threads'

import type { Task, TaskResult } from './task.ts'

/** What comes back from a thread. */
type Message = { readonly result: TaskResult } | { readonly error: string }

/** Does all tasks in so many threads, in no particular order. Ends early, its threads too, when the signal aborts. */
export async function runTasks(
  tasks: readonly Task[],
  threads: number,
  onDone: (task: Task, outcome: TaskResult | Error) => void,
  signal: AbortSignal,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url))
    const stop = (): void => void worker.terminate()
    signal.addEventListener('abort', stop)
    try {
      while (next < tasks.length && !signal.aborted) {
        const task = tasks[next++] as Task
        const outcome = await ask(worker, task)
        if (!signal.aborted) onDone(task, outcome)
      }
    } finally {
      signal.removeEventListener('abort', stop)
      await worker.terminate()
    }
  }
  await Promise.all(Array.from({ length: Math.min(threads, tasks.length) }, lane))
}

function ask(worker: Worker, task: Task): Promise<TaskResult | Error> {
  return new Promise((resolve) => {
    const done = (outcome: TaskResult | Error): void => {
      worker.off('message', onMessage).off('error', done).off('exit', onExit)
      resolve(outcome)
    }
    const onMessage = (message: Message): void => {
      done('result' in message ? message.result : new Error(message.error))
    }
    const onExit = (): void => done(new Error('The thread was ended'))
    worker.on('message', onMessage).on('error', done).on('exit', onExit)
    worker.postMessage(task)
  })
}
