export { callerSignal } from './http/caller-signal.ts'
export { createServer } from './create-server.ts'
export type { ServerLimits, ServerOptions, SurefootServer } from './create-server.ts'
export { createFetchHandler } from './fetch-handler.ts'
export type { FetchHandler, FetchHandlerOptions } from './fetch-handler.ts'
export { createAppRouter, createCaller } from './router.ts'
export type { AppRouter } from './router.ts'
export type {
  BodyInput,
  ChatInputOptions,
  ChatProcedureInput,
  ChatStreamProcedureInput,
  MessageInput,
} from './trpc/chat-input.ts'
export type { SurefootErrorShape } from './trpc/error-shape.ts'
export type { DrainInput } from './trpc/drain-input.ts'
export type { Context as RouterContext, Drains } from './trpc/init.ts'
export { version } from './version.ts'
