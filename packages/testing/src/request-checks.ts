import type { GenerationRequest } from './generation-request.ts'
import { goKind } from './go-json.ts'
import type { CompleteModel } from './models.ts'
import type { OllamaVersion } from './options.ts'
import { findOptionError } from './request-schema.ts'

/** A request that Ollama turns down. */
export interface Refusal {
  readonly status: number
  readonly message: string
}

/** What is checked before the model is loaded. */
export function refuseBeforeLoad(request: GenerationRequest, model: CompleteModel | undefined): Refusal | undefined {
  if (request.model === '') return { status: 400, message: 'model is required' }
  if (model === undefined) return { status: 404, message: `model '${request.model}' not found` }
  if (request.wantsThinking && !model.capabilities.includes('thinking')) {
    return { status: 400, message: `"${request.model}" does not support thinking` }
  }
  if (request.hasTools && !model.capabilities.includes('tools')) {
    return { status: 400, message: `registry.ollama.ai/library/${model.name} does not support tools` }
  }
  const optionError = findOptionError(request.options)
  return optionError === undefined ? undefined : { status: 500, message: optionError }
}

/** What only the runner notices; a stream gets it chunked, with its real status. */
export function refuseAfterLoad(
  request: GenerationRequest,
  model: CompleteModel,
  version: OllamaVersion,
): Refusal | undefined {
  if (request.hasImages && version === '0.32.15' && !model.capabilities.includes('vision')) {
    return nested('Multimodal data provided, but model does not support multimodal requests.')
  }
  return refuseFormat(request.format, version)
}

function refuseFormat(format: unknown, version: OllamaVersion): Refusal | undefined {
  if (format === undefined || format === null || format === '' || format === 'json') return undefined
  if (goKind(format) !== 'object') {
    const quoted = JSON.stringify(JSON.stringify(format))
    return { status: 500, message: `invalid format: ${quoted}; expected "json" or a valid JSON Schema object` }
  }
  if (isSchema(format as Record<string, unknown>)) return undefined
  if (version !== '0.32.15') return { status: 500, message: 'invalid JSON schema in format' }
  return nested(
    `Field 'json_schema': "json_schema": JSON schema conversion failed:\nUnrecognized schema: ${JSON.stringify(format)}`,
  )
}

const SCHEMA_TYPES = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'])

function isSchema(schema: Readonly<Record<string, unknown>>): boolean {
  const types = [schema['type'] ?? 'object'].flat()
  return types.every((type) => SCHEMA_TYPES.has(String(type))) && goKind(schema['properties'] ?? {}) === 'object'
}

/** Errors of llama-server come as JSON inside the text. */
function nested(message: string): Refusal {
  return { status: 400, message: JSON.stringify({ error: { code: 400, message, type: 'invalid_request_error' } }) }
}
