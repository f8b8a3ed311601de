import { ERROR_CODES } from './error-codes.ts'
import type { ErrorCode, ErrorGroup } from './error-codes.ts'

const BRAND = Symbol.for('surefoot.error')

/** What a {@link SurefootError} is made of, and what of it crosses a wire. Never a prompt, an answer or a key. */
export interface SurefootErrorFields {
  readonly code: ErrorCode
  /** What failed and where, as one sentence that may be shown to a person. */
  readonly message: string
  /** What to do about it. @default the hint of the code */
  readonly hint?: string | undefined
  /** The backend it happened on, as its URL without credentials. */
  readonly backend?: string | undefined
  /** How many attempts were made, the first included. */
  readonly attempts?: number | undefined
  /** After how many milliseconds asking again makes sense. */
  readonly retryAfterMs?: number | undefined
  /** `CONTEXT_OVERFLOW`: tokens of the prompt, where they were counted or can be estimated. */
  readonly neededTokens?: number | undefined
  /** `CONTEXT_OVERFLOW`: tokens there is room for. */
  readonly availableTokens?: number | undefined
  /** The text that had arrived before a stream broke; only where the caller has received it anyway. */
  readonly partial?: string | undefined
}

/**
 * The one error class, the same object out of core, tRPC, REST, the SDK and React.
 *
 * Ask with {@link SurefootError.is}, not `instanceof`: the brand survives two copies of this package.
 */
export class SurefootError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly backend?: string | undefined
  readonly attempts?: number | undefined
  readonly retryAfterMs?: number | undefined
  readonly neededTokens?: number | undefined
  readonly availableTokens?: number | undefined
  readonly partial?: string | undefined

  constructor(fields: SurefootErrorFields, options?: ErrorOptions) {
    super(fields.message, options)
    this.name = 'SurefootError'
    this.code = fields.code
    this.hint = fields.hint ?? ERROR_CODES[fields.code].hint
    this.backend = fields.backend
    this.attempts = fields.attempts
    this.retryAfterMs = fields.retryAfterMs
    this.neededTokens = fields.neededTokens
    this.availableTokens = fields.availableTokens
    this.partial = fields.partial
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** True for every SurefootError, also one made by another copy of this package. */
  static is(error: unknown): error is SurefootError {
    return typeof error === 'object' && error !== null && BRAND in error
  }

  /** What the caller can do about it. */
  get group(): ErrorGroup {
    return ERROR_CODES[this.code].group
  }

  /** The status for surfaces that speak HTTP. */
  get httpStatus(): number {
    return ERROR_CODES[this.code].httpStatus
  }

  /** The same error with some fields replaced, its cause and stack kept. */
  with(fields: Partial<SurefootErrorFields>): SurefootError {
    const copy = new SurefootError({ ...this.toJSON(), ...fields }, { cause: this.cause })
    if (this.stack !== undefined) copy.stack = this.stack
    return copy
  }

  /** What crosses a wire: no stack, no cause. */
  toJSON(): SurefootErrorFields {
    return {
      code: this.code,
      message: this.message,
      hint: this.hint,
      ...(this.backend !== undefined && { backend: this.backend }),
      ...(this.attempts !== undefined && { attempts: this.attempts }),
      ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
      ...(this.neededTokens !== undefined && { neededTokens: this.neededTokens }),
      ...(this.availableTokens !== undefined && { availableTokens: this.availableTokens }),
      ...(this.partial !== undefined && { partial: this.partial }),
    }
  }
}

/** Reads what `toJSON` wrote. `undefined` for anything else, also for a code this version does not know. */
export function surefootErrorFromJson(value: unknown): SurefootError | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Record<string, unknown>
  if (typeof fields['code'] !== 'string' || !Object.hasOwn(ERROR_CODES, fields['code'])) return undefined
  if (typeof fields['message'] !== 'string') return undefined
  const text = (name: string) => (typeof fields[name] === 'string' ? (fields[name] as string) : undefined)
  const number = (name: string) => (typeof fields[name] === 'number' ? (fields[name] as number) : undefined)
  return new SurefootError({
    code: fields['code'] as ErrorCode,
    message: fields['message'],
    hint: text('hint'),
    backend: text('backend'),
    attempts: number('attempts'),
    retryAfterMs: number('retryAfterMs'),
    neededTokens: number('neededTokens'),
    availableTokens: number('availableTokens'),
    partial: text('partial'),
  })
}
