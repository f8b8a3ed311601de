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

const NAME = z.string().regex(/^[\w.:@-]{1,64}$/)
const MODEL = z.string().regex(/^\S{1,256}$/)

const variantSchema = z
  .strictObject({
    name: NAME.optional(),
    model: MODEL,
    weight: z.number().positive().max(1_000_000).default(1),
    options: z.record(z.string(), z.unknown()).optional(),
  })
  .transform((variant): Variant => ({ ...variant, name: variant.name ?? variant.model }))

const experimentSchema = z.strictObject({
  name: NAME,
  model: MODEL.optional(),
  goal: z.enum(['success', 'feedback']).default('success'),
  variants: z.array(variantSchema).min(2).max(10).refine(haveOwnNames),
  shadow: z.strictObject({ model: MODEL, share: z.number().min(0).max(1).default(1) }).optional(),
})

/** The form of the setting `experiments`. */
export const experimentsSchema: z.ZodType<readonly Experiment[]> = z
  .array(experimentSchema)
  .max(20)
  .refine(haveOwnNames)

function haveOwnNames(named: readonly { readonly name: string }[]): boolean {
  return new Set(named.map(({ name }) => name)).size === named.length
}
