import type { Layer } from '../../service.ts'
import { isPlainText } from './may-resume.ts'
import { ResumableBody } from './resumable-body.ts'
import { Resumption } from './resumption.ts'
import type { ResumeDeps, ResumeOptions } from './resumption.ts'

/**
 * The segments of one answer: a streamed reply whose body breaks goes on from its last character, on another backend with
 * the same model, or on the same one when there is no other. Text is never shown twice and an end is never made up: where
 * it cannot be done, the failure passes as it came. Who wants the answer whole is served by `retry` alone.
 */
export function createResume(options: ResumeOptions, deps: ResumeDeps): Layer {
  return (next) => async (call, context) => {
    const isOn = call.resume ?? options.resume
    if (!isOn || !isPlainText(call) || !deps.going.isPossible(call)) return await next(call, context)
    const resumption = new Resumption(next, call, context, options, deps)
    const first = await resumption.begin()
    return { backend: first.backend, body: new ResumableBody(first, resumption) }
  }
}
