import type { Experiment, ExperimentInput } from './experiment.ts'

/** The level from which log records are written. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

/** A set of defaults: see the presets' values in the configuration reference. */
export type PresetName = 'development' | 'production' | 'guide'

/** Every setting with its value; what each means, its range and its default is in `settings.ts`. */
export interface Config {
  readonly backends: readonly string[]
  readonly model: string
  readonly maxRetries: number
  readonly timeoutMs: number
  readonly poolConnections: number
  readonly poolMaxSize: number
  readonly logLevel: LogLevel
  readonly slots: number | 'auto'
  readonly temperature: number
  readonly deadlineMs: number
  readonly waitForReadyMs: number
  readonly connectTimeoutMs: number
  readonly loadTimeoutMs: number
  readonly structuredTimeoutMs: number
  readonly queueTimeoutMs: number
  readonly maxQueueLength: number
  readonly retryDelayMs: number
  readonly maxRetryDelayMs: number
  readonly jitter: number
  readonly promptRetry: boolean
  readonly retryBudget: number
  readonly resume: boolean
  readonly hedge: boolean
  readonly hedgeDelayMs: number
  readonly breakerThreshold: number
  readonly breakerOpenMs: number
  readonly earlyClose: boolean
  readonly healthTtlMs: number
  readonly contextGuard: boolean
  readonly maxContext: number
  readonly degradeModels: readonly string[]
  readonly degradeToCache: boolean
  readonly localModel: string | undefined
  readonly fallbackMessage: string | undefined
  readonly patienceMs: number
  readonly cache: boolean
  readonly cacheMaxBytes: number
  readonly cacheTtlMs: number
  readonly cacheStaleMs: number
  readonly redisUrl: string | undefined
  readonly experiments: readonly Experiment[]
}

/** What may be given to `createSurefoot`: any part of it; the lists also as one string, comma-separated. */
export interface SurefootConfig extends Partial<Omit<Config, 'backends' | 'degradeModels' | 'experiments'>> {
  readonly backends?: string | readonly string[]
  readonly degradeModels?: string | readonly string[]
  readonly experiments?: readonly ExperimentInput[]
  readonly preset?: PresetName
}
