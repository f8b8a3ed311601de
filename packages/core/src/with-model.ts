import { canonicalModel } from './backends/model-lists.ts'
import type { Call } from './service.ts'

/** The same question to another model. */
export function withModel(call: Call, model: string): Call {
  return { ...call, model: canonicalModel(model), request: { ...call.request, model } }
}
