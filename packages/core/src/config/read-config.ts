import { SurefootError, sentenceFromIssues } from '@surefoot/protocol'

import type { Config, PresetName, SurefootConfig } from './config.ts'
import { SETTINGS_BY_NAME } from './settings.ts'
import type { Setting } from './setting.ts'

/** The variable that chooses the preset. */
const PRESET_ENV = 'SUREFOOT_PRESET'
/** Settings that may be given as one text with commas. */
const LISTS: ReadonlySet<string> = new Set<keyof Config>(['backends', 'degradeModels'])
/** Characters of a wrong value that an error shows. */
const LONGEST_SHOWN = 200
const PRESETS: readonly PresetName[] = ['development', 'production', 'guide']

/**
 * Every setting's value: from code, else from the environment, else from the preset, else the default.
 *
 * @throws SurefootError `INVALID_CONFIG` that names the setting or variable, its value and the allowed range.
 */
export function readConfig(given: SurefootConfig = {}, env: Readonly<Record<string, string | undefined>> = {}): Config {
  for (const name of Object.keys(given)) {
    if (name !== 'preset' && !Object.hasOwn(SETTINGS_BY_NAME, name)) throw unknownSetting(name)
  }
  const preset = presetOf(given.preset ?? env[PRESET_ENV])
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(SETTINGS_BY_NAME)) {
    values[name] = valueOf(name, setting, (given as Record<string, unknown>)[name], env, preset)
  }
  const config = values as unknown as Config
  const deadlineIsDefault = given.deadlineMs === undefined
  return preset === 'guide' && deadlineIsDefault ? { ...config, deadlineMs: config.timeoutMs } : config
}

/**
 * A list of backends given while running.
 *
 * @throws SurefootError `INVALID_CONFIG` that names the value and what is allowed.
 */
export function readBackends(given: string | readonly string[]): readonly string[] {
  return valueOf('backends', SETTINGS_BY_NAME.backends, given, {}, 'development') as readonly string[]
}

function presetOf(given: unknown): PresetName {
  const asked = typeof given === 'string' ? given.trim().toLowerCase() : given
  if (asked === undefined || asked === '') return 'development'
  const name = PRESETS.find((preset) => preset === asked)
  if (name === undefined) throw invalid('preset', given, `one of ${PRESETS.join(', ')}`, '', PRESET_ENV)
  return name
}

function valueOf(
  name: string,
  setting: Setting,
  given: unknown,
  env: Readonly<Record<string, string | undefined>>,
  preset: PresetName,
): unknown {
  const text = setting.env === undefined ? undefined : env[setting.env]
  if (given === undefined && (text === undefined || text.trim() === '')) {
    const presets = setting.presets ?? {}
    return Object.hasOwn(presets, preset) ? presets[preset] : setting.default
  }
  const raw = given === undefined ? setting.fromEnv(text as string) : given
  const parsed = setting.schema.safeParse(LISTS.has(name) ? listOf(raw) : raw)
  if (parsed.success) return parsed.data
  const where = placeOf(parsed.error)
  throw given === undefined
    ? invalid(setting.env as string, text, setting.range, where)
    : invalid(name, given, setting.rangeInCode ?? setting.range, where, setting.env)
}

/** A comma-separated list or an array of strings, trimmed, without empty parts. */
function listOf(value: unknown): unknown {
  if (typeof value !== 'string' && !Array.isArray(value)) return value
  const parts = (typeof value === 'string' ? value.split(',') : value) as unknown[]
  return parts.map((part) => (typeof part === 'string' ? part.trim() : part)).filter((part) => part !== '')
}

/** What is wrong inside a value of several parts; of a plain one its range says enough. */
function placeOf(error: Parameters<typeof sentenceFromIssues>[0]): string {
  const [issue] = error.issues
  const isInside = issue !== undefined && (issue.path.length > 1 || issue.code === 'unrecognized_keys')
  return isInside ? ` ${sentenceFromIssues(error)}` : ''
}

/** @param where a sentence more, with the space before it. */
function invalid(name: string, value: unknown, range: string, where: string, env?: string): SurefootError {
  const shown = withoutPassword(typeof value === 'string' ? `"${value}"` : (JSON.stringify(value) ?? String(value)))
  const cut = shown.length > LONGEST_SHOWN ? `${shown.slice(0, LONGEST_SHOWN)}…` : shown
  return new SurefootError({
    code: 'INVALID_CONFIG',
    message: `${name} must be ${range}, but is ${cut}.${where}`,
    hint: env === undefined ? `Correct ${name} and start again.` : `Correct ${name} (variable ${env}) and start again.`,
  })
}

/** Whatever stands before the last `@` may be a password, however badly the address is written. */
function withoutPassword(text: string): string {
  const scheme = /^"?[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0] ?? ''
  const at = text.lastIndexOf('@')
  return at === -1 ? text : `${scheme}***${text.slice(at)}`
}

function unknownSetting(name: string): SurefootError {
  const known = Object.keys(SETTINGS_BY_NAME).join(', ')
  return new SurefootError({
    code: 'INVALID_CONFIG',
    message: `There is no setting "${name}". Known are: preset, ${known}.`,
  })
}
