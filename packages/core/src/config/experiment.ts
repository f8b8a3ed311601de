import { z } from 'zod'

/** One arm of an experiment. */
export interface Variant {
  /** @default its model */
  readonly name: string
  readonly model: string
  /** How often it is chosen, beside the weights of the others. @default 1 */
  readonly weight: number
  /** Ollama's options for its calls; they go before those of the caller. */
  readonly options?: Readonly<Record<string, unknown>> | undefined
}

/** Copies of live calls to a model that nobody sees; they run on idle slots only. */
export interface Shadow {
  readonly model: string
  /** Of the calls, 0 to 1. @default 1 */
  readonly share: number
}

/** Models that are compared with each other on live calls. */
export interface Experiment {
  readonly name: string
  /** Calls for this model take part. @default the configured model */
  readonly model?: string | undefined
  /** What decides: whether the variant answered, or whether people found the answer good. @default 'success' */
  readonly goal: 'success' | 'feedback'
  readonly variants: readonly Variant[]
  readonly shadow?: Shadow | undefined
}

/** An experiment as it is given: with defaults for what may be left out. */
export type ExperimentInput = Omit<Experiment, 'goal' | 'variants' | 'shadow'> & {
  readonly goal?: Experiment['goal'] | undefined
  readonly variants: readonly (Pick<Variant, 'model'> & Partial<Variant>)[]
  readonly shadow?: (Pick<Shadow, 'model'> & Partial<Shadow>) | undefined
}

const SAID = {
  name: 'name must be 1 to 64 letters, digits or any of _ . : @ -',
  model: 'model must be a name of 1 to 256 characters without spaces',
  goal: 'goal must be success or feedback',
  weight: 'weight must be a number above 0 and at most 1000000',
  options: "options must be an object of Ollama's options: numbers, true or false, and stop as a list of texts",
  variants: 'variants must be a list of 2 to 10 that have names of their own',
  share: 'share must be a number from 0 to 1',
}
const NAME = z.string(SAID.name).regex(/^[\w.:@-]{1,64}$/, SAID.name)
const MODEL = z.string(SAID.model).regex(/^\S{1,256}$/, SAID.model)
/** What Ollama would refuse for its type would fail every call of one variant, and look like a mistake of its caller. */
const OPTIONS = z
  .record(z.string(), z.unknown(), SAID.options)
  .refine((options) => Object.entries(options).every(isOption), SAID.options)

const variantSchema = z
  .strictObject({
    name: NAME.optional(),
    model: MODEL,
    weight: z.number(SAID.weight).positive(SAID.weight).max(1_000_000, SAID.weight).default(1),
    options: OPTIONS.optional(),
  })
  .transform((variant): Variant => ({ ...variant, name: variant.name ?? variant.model }))

const experimentSchema = z.strictObject({
  name: NAME,
  model: MODEL.optional(),
  goal: z.enum(['success', 'feedback'], SAID.goal).default('success'),
  variants: z
    .array(variantSchema, SAID.variants)
    .min(2, SAID.variants)
    .max(10, SAID.variants)
    .refine(haveOwnNames, SAID.variants),
  shadow: z
    .strictObject({ model: MODEL, share: z.number(SAID.share).min(0, SAID.share).max(1, SAID.share).default(1) })
    .optional(),
})

/** The form of the setting `experiments`. */
export const experimentsSchema: z.ZodType<readonly Experiment[]> = z
  .array(experimentSchema)
  .max(20)
  .refine(haveOwnNames)

function haveOwnNames(named: readonly { readonly name: string }[]): boolean {
  return new Set(named.map(({ name }) => name)).size === named.length
}

function isOption([name, value]: [string, unknown]): boolean {
  if (name === 'stop') return Array.isArray(value) && value.every((text) => typeof text === 'string')
  return typeof value === 'boolean' || Number.isFinite(value)
}
