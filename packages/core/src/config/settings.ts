import { z } from 'zod'

import type { Config, PresetName } from './config.ts'
import { backendName, backendTargetSchema } from './backend-url.ts'

/** One setting, once: its form, default, range, unit, variable and meaning. The reference page is generated from it. */
export interface Setting {
  readonly description: string
  /** The environment variable, the guide's where the guide has one. */
  readonly env?: string
  readonly unit?: 'ms' | 's' | 'ratio'
  /** The allowed values in words, for the reference and for error messages. */
  readonly range: string
  /** The same for a value given in code, where its unit is another one there. */
  readonly rangeInCode?: string
  readonly default: unknown
  readonly presets?: Partial<Record<PresetName, unknown>>
  readonly schema: z.ZodType
  /** Turns the variable's text into a value; what it cannot turn it hands on for the schema to refuse. */
  readonly fromEnv: (text: string) => unknown
}

type Rest = Pick<Setting, 'description' | 'default'> & Partial<Pick<Setting, 'env' | 'presets' | 'unit'>>

const envNumber = (text: string): unknown => (text.trim() === '' ? text : Number(text))

function whole(min: number, max: number, rest: Rest): Setting {
  const schema = z.number().int().min(min).max(max)
  return { ...rest, range: `a whole number from ${min} to ${max}`, schema, fromEnv: envNumber }
}

function decimal(min: number, max: number, rest: Rest): Setting {
  return { ...rest, range: `a number from ${min} to ${max}`, schema: z.number().min(min).max(max), fromEnv: envNumber }
}

/** Milliseconds in code; in the environment seconds, as the guide writes them. */
function duration(minMs: number, maxMs: number, rest: Rest): Setting {
  const range = `a duration from ${minMs / 1000} to ${maxMs / 1000} seconds`
  const fromEnv = (text: string): unknown => {
    const seconds = envNumber(text)
    return typeof seconds === 'number' ? seconds * 1000 : seconds
  }
  const rangeInCode = `a number of milliseconds from ${minMs} to ${maxMs}`
  return { unit: 'ms', ...rest, range, rangeInCode, schema: z.number().min(minMs).max(maxMs), fromEnv }
}

function flag(rest: Rest): Setting {
  const values: Record<string, boolean> = { true: true, '1': true, false: false, '0': false }
  return { ...rest, range: 'true or false', schema: z.boolean(), fromEnv: (text) => values[text.toLowerCase()] ?? text }
}

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
}

/** The rows of the configuration reference. */
export const SETTINGS: readonly (Omit<Setting, 'schema' | 'fromEnv' | 'rangeInCode'> & { readonly name: string })[] =
  Object.entries(SETTINGS_BY_NAME).map(
    ([name, { schema: _schema, fromEnv: _fromEnv, rangeInCode: _rangeInCode, ...rest }]) => ({ name, ...rest }),
  )
