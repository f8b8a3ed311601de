import { SurefootError } from '@surefoot/protocol'

/** What is known of a prompt that does not fit. */
export interface Overflow {
  readonly model: string
  readonly backend?: string | undefined
  /** Tokens of the prompt. */
  readonly needed?: number | undefined
  /** It is estimated; else the backend has counted them. */
  readonly isEstimate?: boolean | undefined
  /** Tokens there is room for. */
  readonly available?: number | undefined
  readonly attempts?: number | undefined
  readonly hint?: string | undefined
}

/** The one error that says that a prompt is longer than the context, with what it needs, what there is and the mend. */
export function contextOverflow(overflow: Overflow): SurefootError {
  const { model, backend, needed, isEstimate = false, available, attempts, hint } = overflow
  const sizes = [
    ...(needed === undefined ? [] : [`${isEstimate ? 'about ' : ''}${needed} tokens`]),
    ...(available === undefined ? [] : [`room for ${available}`]),
  ].join(', ')
  return new SurefootError({
    code: 'CONTEXT_OVERFLOW',
    message: `The prompt is longer than the context of ${model}${sizes === '' ? '' : ` (${sizes})`}.`,
    ...(hint !== undefined && { hint }),
    backend,
    attempts,
    neededTokens: needed,
    availableTokens: available,
  })
}
