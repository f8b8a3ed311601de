export { ERROR_CODES, SurefootError } from '@surefoot/protocol'
export type {
  BackendHealth,
  BackendStatus,
  BreakerState,
  BreakerStatus,
  CallOptions,
  ChatAnswer,
  ChatChunk,
  ChatInput,
  ChatMessage,
  ChatRequest,
  ChatStream,
  ErrorCode,
  ErrorCodeInfo,
  ErrorGroup,
  HealthReport,
  ModelInfo,
  Run,
  RunEvent,
  Served,
  Surefoot,
  ToolCall,
} from '@surefoot/protocol'
export { createClient } from './client.ts'
export { DEFAULT_FALLBACK } from './fallback.ts'
export type { Fallback } from './fallback.ts'
export { DEFAULT_SILENCE_MS } from './options.ts'
export type { ClientFetch, ClientHeaders, ClientOptions, ConnectionOptions } from './options.ts'
