/** What Ollama tells about a model's file. */
export interface ModelDetails {
  parent_model: string
  format: string
  family: string
  families: readonly string[]
  parameter_size: string
  quantization_level: string
  context_length: number
  embedding_length: number
}

/** How a model takes a half assistant message at the end: goes on, goes on after repeating it, or starts anew. */
export type PrefillMode = 'continue' | 'echo' | 'new-turn'

/** A model of the stand-in Ollama. */
export interface StandInModel {
  /** Name with tag; without a tag `:latest` is added. */
  name: string
  /** Content digest, 64 hex digits. @default that of the recorded model */
  digest?: string
  /** Size on disk, in bytes. @default 98_364_512 */
  size?: number
  /** Size in memory, in bytes. @default that of the recorded model, which differs by version */
  memorySize?: number
  /** @default those of the recorded model */
  details?: Partial<ModelDetails>
  /** @default ['completion', 'tools'] */
  capabilities?: readonly string[]
  /** When it was made, RFC 3339. @default '2026-11-23T03:04:38.252810327Z' */
  modifiedAt?: string
  /** @default 'continue' */
  prefill?: PrefillMode
  /** The system prompt of its template. */
  system?: string
  /** Tokens of context that it gets when a request names none, like `PARAMETER num_ctx`. @default the server's */
  numCtx?: number
}

/** A model with everything filled in. */
export type CompleteModel = Required<Omit<StandInModel, 'memorySize' | 'numCtx' | 'details'>> & {
  numCtx: number | undefined
  memorySize: number | undefined
  details: ModelDetails
}

const RECORDED_DETAILS: ModelDetails = {
  parent_model: '',
  format: 'gguf',
  family: 'llama',
  families: ['llama'],
  parameter_size: '134.52M',
  quantization_level: 'Q4_1',
  context_length: 8192,
  embedding_length: 576,
}

/** The models a stand-in has when nothing else is said. */
export const DEFAULT_MODELS: readonly StandInModel[] = [{ name: 'llama3.2:latest' }, { name: 'smollm2:135m' }]

/** Fills in what was left out. */
export function completeModel(model: StandInModel): CompleteModel {
  return {
    name: withTag(model.name),
    digest: model.digest ?? 'b27a29348d5d518a767a8dcd34274c94486ffb4ced04fd8045829bb6c0049d32',
    size: model.size ?? 98_364_512,
    memorySize: model.memorySize,
    numCtx: model.numCtx,
    details: { ...RECORDED_DETAILS, ...model.details },
    capabilities: model.capabilities ?? ['completion', 'tools'],
    modifiedAt: model.modifiedAt ?? '2026-11-23T03:04:38.252810327Z',
    prefill: model.prefill ?? 'continue',
    system: model.system ?? 'You are a helpful AI assistant named SmolLM, trained by Hugging Face',
  }
}

/** The name with its tag, as Ollama completes it. */
export function withTag(name: string): string {
  return name.includes(':') ? name : `${name}:latest`
}
