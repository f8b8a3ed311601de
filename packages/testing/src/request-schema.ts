import { goKind } from './go-json.ts'
import { parseGoDuration } from './go-time.ts'

/** The routes that generate. */
export type GenerationRoute = 'chat' | 'generate' | 'v1'

interface Struct {
  readonly name: string
  readonly fields: Readonly<Record<string, string>>
}

const STRUCTS: Readonly<Record<GenerationRoute, Struct>> = {
  chat: {
    name: 'ChatRequest',
    fields: {
      model: 'string',
      messages: '[]api.Message',
      stream: 'bool',
      tools: 'api.Tools',
      options: 'map[string]interface {}',
      truncate: 'bool',
      shift: 'bool',
      _debug_render_only: 'bool',
    },
  },
  generate: {
    name: 'GenerateRequest',
    fields: {
      model: 'string',
      prompt: 'string',
      suffix: 'string',
      system: 'string',
      template: 'string',
      stream: 'bool',
      raw: 'bool',
      options: 'map[string]interface {}',
      truncate: 'bool',
      shift: 'bool',
      _debug_render_only: 'bool',
    },
  },
  v1: {
    name: 'ChatCompletionRequest',
    fields: {
      model: 'string',
      messages: '[]openai.Message',
      stream: 'bool',
      max_tokens: 'int',
      temperature: 'float64',
      top_p: 'float64',
      tools: '[]api.Tool',
    },
  },
}

/** The error of Go's decoder for a body of the wrong shape; `undefined` if the shape is right. */
export function findShapeError(route: GenerationRoute, body: unknown): string | undefined {
  const { name, fields } = STRUCTS[route]
  if (goKind(body) !== 'object') {
    const owner = route === 'v1' ? 'openai' : 'api'
    return `json: cannot unmarshal ${goKind(body)} into Go value of type ${owner}.${name}`
  }
  for (const [key, value] of Object.entries(body as object)) {
    const type = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (type !== undefined && !fits(value, type)) {
      return `json: cannot unmarshal ${goKind(value)} into Go struct field ${name}.${key} of type ${type}`
    }
    if (key === 'messages' && route === 'chat') {
      const error = findMessageError(value as unknown[])
      if (error !== undefined) return error
    }
    if (key === 'keep_alive' && typeof value === 'string' && parseGoDuration(value) === undefined) {
      return `time: invalid duration ${JSON.stringify(value)}`
    }
  }
  return undefined
}

function fits(value: unknown, type: string): boolean {
  if (value === null) return true
  if (type === 'string' || type === 'bool') return goKind(value) === type
  if (type === 'int' || type === 'float64') return typeof value === 'number'
  return goKind(value) === (type.startsWith('map') ? 'object' : 'array')
}

/** Messages decode themselves through a type called Alias, hence the name in the text. */
function findMessageError(messages: readonly unknown[] | null): string | undefined {
  for (const message of messages ?? []) {
    if (goKind(message) !== 'object') {
      return `json: cannot unmarshal ${goKind(message)} into Go value of type api.Alias`
    }
    for (const key of ['role', 'content'] as const) {
      const value = (message as Record<string, unknown>)[key] ?? ''
      if (typeof value !== 'string') {
        return `json: cannot unmarshal ${goKind(value)} into Go struct field Alias.${key} of type string`
      }
    }
  }
  return undefined
}

const OPTION_TYPES: Readonly<Record<string, 'integer' | 'float32' | 'boolean' | 'array'>> = {
  num_keep: 'integer',
  seed: 'integer',
  num_predict: 'integer',
  top_k: 'integer',
  repeat_last_n: 'integer',
  num_ctx: 'integer',
  num_batch: 'integer',
  num_gpu: 'integer',
  main_gpu: 'integer',
  num_thread: 'integer',
  top_p: 'float32',
  min_p: 'float32',
  typical_p: 'float32',
  temperature: 'float32',
  repeat_penalty: 'float32',
  presence_penalty: 'float32',
  frequency_penalty: 'float32',
  use_mmap: 'boolean',
  stop: 'array',
}

/** Ollama's error for an option of the wrong type, which it sends as 500; unknown options pass. */
export function findOptionError(options: Readonly<Record<string, unknown>>): string | undefined {
  for (const [key, value] of Object.entries(options)) {
    const type = Object.hasOwn(OPTION_TYPES, key) ? OPTION_TYPES[key] : undefined
    if (type === undefined || value === null) continue
    const kind = goKind(value)
    const fitting = type === 'integer' || type === 'float32' ? 'number' : type === 'boolean' ? 'bool' : 'array'
    if (kind !== fitting) return `option "${key}" must be of type ${type}`
  }
  return undefined
}
