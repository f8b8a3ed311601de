import { z } from 'zod'

import type { Config } from './config.ts'
import { backendName, backendTargetSchema } from './backend-url.ts'
import { experimentsSchema } from './experiment.ts'
import { decimal, duration, envNumber, flag, optionalText, whole } from './setting.ts'
import type { Setting } from './setting.ts'

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
/** The names Python's logging gives to levels that pino calls otherwise; the guide's LOG_LEVEL is Python's. */
const PYTHON_LEVELS: Record<string, string> = { warning: 'warn', critical: 'fatal' }

/** All settings, in the order of the reference. */
export const SETTINGS_BY_NAME: Readonly<Record<keyof Config, Setting>> = {
  backends: {
    env: 'OLLAMA_BASE_URL',
    description:
      'The Ollama servers: one URL, or several separated by commas. `dns+http://host:port` stands for every address that the host name has, read anew every 10 s, as for a headless service.',
    range: 'one or several http(s) URLs, separated by commas, none with two passwords',
    default: ['http://127.0.0.1:11434'],
    schema: z
      .array(backendTargetSchema)
      .min(1)
      .transform((targets) => [...new Set(targets)])
      // Its name, the URL without credentials, is what tells one backend from another.
      .refine((targets) => new Set(targets.map(backendName)).size === targets.length),
    fromEnv: (text) => text,
  },
  model: {
    env: 'OLLAMA_MODEL',
    description: 'The model that answers when a call names none.',
    range: 'a name of 1 to 256 characters without spaces',
    default: 'llama3.2',
    schema: z.string().regex(/^\S{1,256}$/),
    fromEnv: (text) => text.trim(),
  },
  maxRetries: whole(0, 20, {
    env: 'OLLAMA_MAX_RETRIES',
    description: 'Retries of a call after failures that cost the backend work; attempts are one more.',
    default: 3,
    presets: { production: 5 },
  }),
  timeoutMs: duration(1, 3_600_000, {
    env: 'OLLAMA_TIMEOUT',
    description: 'The longest silence: to the first token of a model in memory, and between two tokens.',
    default: 60_000,
    presets: { production: 30_000 },
  }),
  poolConnections: whole(1, 1000, {
    env: 'OLLAMA_POOL_CONNECTIONS',
    description: 'Sockets per backend that stay open for 60 s when idle; those beyond close after 4 s.',
    default: 10,
    presets: { production: 20 },
  }),
  poolMaxSize: whole(1, 1000, {
    env: 'OLLAMA_POOL_MAXSIZE',
    description: 'Sockets per backend at the most; slots handed out never exceed it.',
    default: 20,
    presets: { production: 50 },
  }),
  logLevel: {
    env: 'LOG_LEVEL',
    description: 'The level from which log records are written.',
    range: `one of ${LOG_LEVELS.join(', ')}`,
    default: 'info',
    schema: z.enum(LOG_LEVELS),
    fromEnv: (text) => {
      const level = text.trim().toLowerCase()
      return PYTHON_LEVELS[level] ?? level
    },
  },
  slots: {
    env: 'OLLAMA_NUM_PARALLEL',
    description:
      'Calls that one backend serves at a time per model; more wait in Surefoot, not in Ollama. `auto` finds it out, from one upwards.',
    range: 'a whole number from 1 to 1000, or auto',
    default: 'auto',
    presets: { guide: 1 },
    schema: z.union([z.literal('auto'), z.number().int().min(1).max(1000)]),
    // Ollama's own variable says 0 when Ollama chooses.
    fromEnv: (text) => (/^\s*(auto|0)\s*$/i.test(text) ? 'auto' : envNumber(text)),
  },
  temperature: decimal(0, 2, {
    description: 'Temperature of calls made with a plain string; a chat body brings its own.',
    default: 0.7,
  }),
  deadlineMs: duration(1, 86_400_000, {
    description: 'Time for a whole call, waiting and retries included. The guide preset takes OLLAMA_TIMEOUT.',
    default: 900_000,
  }),
  waitForReadyMs: duration(0, 3_600_000, {
    description: 'How long a call waits while no backend is usable before it fails with BREAKER_OPEN.',
    default: 30_000,
    presets: { guide: 0 },
  }),
  connectTimeoutMs: duration(1, 600_000, { description: 'Time to open a connection.', default: 5_000 }),
  loadTimeoutMs: duration(1, 7_200_000, {
    description: 'The longest silence before the first token while the backend loads the model.',
    default: 600_000,
  }),
  structuredTimeoutMs: duration(1, 3_600_000, {
    description:
      'The longest silence when tools or format are used: Ollama then holds text back. Never below timeoutMs.',
    default: 180_000,
  }),
  queueTimeoutMs: duration(0, 86_400_000, {
    description: 'The longest wait for a slot before the call fails with QUEUE_TIMEOUT.',
    default: 300_000,
  }),
  maxQueueLength: whole(0, 1_000_000, {
    description: 'Calls that may wait per model; the next one fails with QUEUE_FULL.',
    default: 10_000,
  }),
  retryDelayMs: duration(0, 60_000, {
    description: 'The first wait between attempts; each further one doubles.',
    default: 1_000,
  }),
  maxRetryDelayMs: duration(0, 600_000, { description: 'The longest wait between attempts.', default: 30_000 }),
  jitter: decimal(0, 1, {
    unit: 'ratio',
    description: 'How far a wait may stray from its nominal length, up and down.',
    default: 0.2,
    presets: { guide: 0 },
  }),
  promptRetry: flag({
    description: 'The first retry goes at once and failures that cost nothing do not count towards maxRetries.',
    default: true,
    presets: { guide: false },
  }),
  retryBudget: whole(0, 100_000, {
    description:
      'Bucket of the retry budget: a retry after a costly failure takes 5, a success gives 1. 0 turns it off.',
    default: 500,
    presets: { guide: 0 },
  }),
  resume: flag({
    description:
      'Whether a streamed answer that breaks goes on from its last character, on a backend that is proven to do so exactly.',
    default: true,
    presets: { guide: false },
  }),
  hedge: flag({
    description:
      'Whether a call whose first token takes unusually long is also sent to an idle backend; the first one to answer wins.',
    default: false,
  }),
  hedgeDelayMs: duration(1, 3_600_000, {
    description:
      'How long a first token is waited for at least before that; never less than twice what 95 of 100 take.',
    default: 20_000,
  }),
  breakerThreshold: whole(1, 1000, {
    description: 'Failures in a row, in the order of admission, that open the breaker.',
    default: 5,
  }),
  breakerOpenMs: duration(1, 3_600_000, {
    description: 'How long an open breaker waits before one call may probe.',
    default: 60_000,
  }),
  earlyClose: flag({
    description: 'An open backend is probed and let back in as soon as it answers again.',
    default: true,
    presets: { guide: false },
  }),
  healthTtlMs: duration(0, 3_600_000, {
    description: 'How long a health answer is served from the cache.',
    default: 30_000,
  }),
  contextGuard: flag({
    description:
      'Whether a prompt that is longer than the context is refused (or given a larger one), and never cut in silence.',
    default: true,
  }),
  maxContext: whole(0, 10_000_000, {
    description:
      'The largest context, in tokens, that Surefoot chooses by itself for a prompt that needs more than there is; a larger one costs memory and one reload. 0: it chooses none.',
    default: 16_384,
    presets: { guide: 0 },
  }),
  degradeModels: {
    env: 'SUREFOOT_DEGRADE_MODELS',
    description: 'Models that answer, in this order, when the one that was asked for cannot.',
    range: 'up to 8 names of models, separated by commas',
    default: [],
    schema: z.array(z.string().regex(/^\S{1,256}$/)).max(8),
    fromEnv: (text) => text,
  },
  degradeToCache: flag({
    env: 'SUREFOOT_DEGRADE_TO_CACHE',
    description:
      'Whether an older answer to the same question is given when no model can answer. Every whole answer is then kept for that.',
    default: false,
  }),
  localModel: optionalText('the path of a GGUF file', /\.gguf$/i, {
    env: 'SUREFOOT_LOCAL_MODEL',
    description:
      'A model that runs in this process when no backend can answer, as a GGUF file; needs the package `node-llama-cpp`.',
  }),
  fallbackMessage: optionalText('a text of 1 to 10000 characters', /^[^]{1,10000}$/, {
    env: 'SUREFOOT_FALLBACK_MESSAGE',
    description: 'What is answered when nothing else can; without it the call fails with its error.',
  }),
  patienceMs: duration(1, 3_600_000, {
    description:
      'How long a model is waited for before the next one of the ladder answers; the last one is waited for longer.',
    default: 10_000,
  }),
  cache: flag({
    env: 'SUREFOOT_CACHE',
    description:
      'Whether the same question is answered once: deterministic calls (temperature 0, or a seed), and those that ask for it.',
    default: false,
  }),
  cacheMaxBytes: whole(1_024, 1_000_000_000_000, {
    description: 'Memory that the cached answers may take, in bytes.',
    default: 67_108_864,
  }),
  cacheTtlMs: duration(1, 31_536_000_000, {
    description: 'How long an answer is served from the cache.',
    default: 3_600_000,
  }),
  cacheStaleMs: duration(0, 31_536_000_000, {
    description: 'How much longer it is kept for when no model can answer.',
    default: 86_400_000,
  }),
  redisUrl: {
    env: 'SUREFOOT_REDIS_URL',
    description:
      'With `cache` or `degradeToCache`: a Redis or Valkey that several processes share as their cache, behind the memory of each; needs the package `redis`.',
    range: 'a redis:// or rediss:// URL',
    default: undefined,
    schema: z
      .string()
      .trim()
      .regex(/^rediss?:\/\/\S+$/)
      .refine((url) => URL.canParse(url))
      .optional(),
    fromEnv: (text) => text,
  },
  experiments: {
    env: 'SUREFOOT_EXPERIMENTS',
    description: 'Models that are compared with each other on live calls, as JSON.',
    range: 'JSON, a list of experiments, each with a name and at least two variants that have names of their own',
    rangeInCode: 'a list of experiments, each with a name and at least two variants that have names of their own',
    default: [],
    schema: experimentsSchema,
    fromEnv: fromJson,
  },
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The rows of the configuration reference. */
export const SETTINGS: readonly (Omit<Setting, 'schema' | 'fromEnv' | 'rangeInCode'> & { readonly name: string })[] =
  Object.entries(SETTINGS_BY_NAME).map(
    ([name, { schema: _schema, fromEnv: _fromEnv, rangeInCode: _rangeInCode, ...rest }]) => ({ name, ...rest }),
  )
