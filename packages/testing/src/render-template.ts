import type { GenerationRequest } from './generation-request.ts'
import type { CompleteModel } from './models.ts'

/** The prompt as the model's ChatML template renders it; a half assistant message stays open unless a new turn begins. */
export function renderTemplate(request: GenerationRequest, model: CompleteModel): string {
  const hasSystem = request.messages[0]?.role === 'system'
  const messages = hasSystem ? request.messages : [{ role: 'system', content: model.system }, ...request.messages]
  const turns = messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('')
  const open = '<|im_start|>assistant\n'
  if (request.prefill === '') return turns + open
  return turns + open + request.prefill + (model.prefill === 'new-turn' ? `<|im_end|>\n${open}` : '')
}
