import { z } from 'zod'

import type { PresetName } from './config.ts'

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

/** The number that a variable's text is, where it is one. */
export const envNumber = (text: string): unknown => (text.trim() === '' ? text : Number(text))

export function whole(min: number, max: number, rest: Rest): Setting {
  const schema = z.number().int().min(min).max(max)
  return { ...rest, range: `a whole number from ${min} to ${max}`, schema, fromEnv: envNumber }
}

export function decimal(min: number, max: number, rest: Rest): Setting {
  return { ...rest, range: `a number from ${min} to ${max}`, schema: z.number().min(min).max(max), fromEnv: envNumber }
}

/** Milliseconds in code; in the environment seconds, as the guide writes them. */
export function duration(minMs: number, maxMs: number, rest: Rest): Setting {
  const range = `a duration from ${minMs / 1000} to ${maxMs / 1000} seconds`
  const fromEnv = (text: string): unknown => {
    const seconds = envNumber(text)
    return typeof seconds === 'number' ? seconds * 1000 : seconds
  }
  const rangeInCode = `a number of milliseconds from ${minMs} to ${maxMs}`
  return { unit: 'ms', ...rest, range, rangeInCode, schema: z.number().min(minMs).max(maxMs), fromEnv }
}

export function flag(rest: Rest): Setting {
  const values: Record<string, boolean> = { true: true, '1': true, false: false, '0': false }
  return {
    ...rest,
    range: 'true or false',
    schema: z.boolean(),
    fromEnv: (text) => values[text.trim().toLowerCase()] ?? text,
  }
}

/** A text that may be missing: what it switches on is then off. */
export function optionalText(range: string, pattern: RegExp, rest: Omit<Rest, 'default'>): Setting {
  const schema = z.string().trim().regex(pattern).optional()
  return { ...rest, range, default: undefined, schema, fromEnv: (text) => text }
}
