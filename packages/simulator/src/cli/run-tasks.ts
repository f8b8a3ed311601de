import type { Task, TaskResult } from './task.ts'
import { Thread } from './thread.ts'

/** Does all tasks in so many threads, in no particular order. Ends early, its threads too, when the signal aborts. */
export async function runTasks(
  tasks: readonly Task[],
  threads: number,
  onDone: (task: Task, outcome: TaskResult | Error) => void,
  signal: AbortSignal,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    const thread = new Thread()
    const stop = (): void => void thread.end()
    signal.addEventListener('abort', stop)
    try {
      while (next < tasks.length && !signal.aborted) {
        const task = tasks[next++] as Task
        const outcome = await thread.ask(task)
        if (!signal.aborted) onDone(task, outcome)
      }
    } finally {
      signal.removeEventListener('abort', stop)
      await thread.end()
    }
  }
  await Promise.all(Array.from({ length: Math.min(threads, tasks.length) }, lane))
}
