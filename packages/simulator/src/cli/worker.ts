import { parentPort } from 'node:worker_threads'

import { runTask } from './task.ts'
import type { Task } from './task.ts'

/** One thread: does the tasks it is sent, one at a time. */
parentPort?.on('message', (task: Task) => {
  void runTask(task).then(
    (result) => parentPort?.postMessage({ result }),
    (error: unknown) => parentPort?.postMessage({ error: error instanceof Error ? error.stack : String(error) }),
  )
})
