export { answerToChunk, chatRequestSchema } from './chat.ts'
export type {
  ChatAnswer,
  ChatChunk,
  ChatInput,
  ChatMessage,
  ChatRequest,
  ChatStatistics,
  Served,
  ToolCall,
} from './chat.ts'
export { createChat } from './chat-from-run.ts'
export { ERROR_CODES } from './error-codes.ts'
export type { ErrorCode, ErrorCodeInfo, ErrorGroup } from './error-codes.ts'
export { SurefootError, surefootErrorFromJson } from './errors.ts'
export type { SurefootErrorFields } from './errors.ts'
export type {
  AttemptEvent,
  DeltaEvent,
  FinishEvent,
  LoadingEvent,
  QueuedEvent,
  ResumedEvent,
  RunEvent,
} from './events.ts'
export type { Estimate, ExperimentReport, VariantReport } from './experiments.ts'
export { createRun, isRunId } from './run.ts'
export type { RunSink } from './run.ts'
export { sentenceFromIssues } from './sentence.ts'
export type {
  BackendHealth,
  BackendState,
  BackendStatus,
  BreakerState,
  BreakerStatus,
  HealthReport,
  LoadedModelInfo,
  ModelInfo,
} from './status.ts'
export type { CallOptions, ChatStream, Priority, Run, Surefoot } from './surefoot.ts'
