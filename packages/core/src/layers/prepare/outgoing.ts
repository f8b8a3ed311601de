import { SurefootError } from '@surefoot/protocol'
import type { ChatRequest } from '@surefoot/protocol'

import type { LoadOptions, Options } from '../../load-options.ts'
import type { Call } from '../../service.ts'

type Sent = Pick<Call, 'request'> & { readonly body: Buffer }

/** A request on its way: printed with the load options that its model has at the moment, and once for each of them. */
export class Outgoing {
  readonly #model: string
  readonly #request: ChatRequest
  readonly #loadOptions: Pick<LoadOptions, 'of' | 'unify' | 'merge'>
  #sent: Sent | undefined
  #printedWith: Options | undefined

  constructor(model: string, request: ChatRequest, loadOptions: Pick<LoadOptions, 'of' | 'unify' | 'merge'>) {
    this.#model = model
    this.#request = request
    this.#loadOptions = loadOptions
  }

  /**
   * As it is to be sent now.
   *
   * @param loadedWith the load options of the lease that it is sent with. @default those that its model has now
   * @throws SurefootError `INVALID_REQUEST` for what JSON cannot hold.
   */
  readonly latest = (loadedWith?: Options): Sent => {
    if (this.#sent !== undefined && this.#printedWith === (loadedWith ?? this.#loadOptions.of(this.#model))) {
      return this.#sent
    }
    const { options } = this.#request
    const unified =
      loadedWith === undefined
        ? this.#loadOptions.unify(this.#model, options)
        : this.#loadOptions.merge(this.#model, loadedWith, options)
    this.#printedWith = loadedWith ?? this.#loadOptions.of(this.#model)
    const request = unified === options ? this.#request : { ...this.#request, options: unified }
    this.#sent = { request, body: printed(request) }
    return this.#sent
  }

  /** The context named in what was last sent, in tokens; `undefined` where the backend's default counts. */
  get numCtx(): number | undefined {
    const numCtx = this.#sent?.request.options?.['num_ctx']
    return typeof numCtx === 'number' ? numCtx : undefined
  }

  /** The context it would be sent with now. */
  get numCtxNow(): number | undefined {
    this.latest()
    return this.numCtx
  }

  /** Its length as last printed. */
  get bytes(): number {
    return this.#sent?.body.length ?? 0
  }
}

function printed(request: ChatRequest): Buffer {
  try {
    return Buffer.from(JSON.stringify(request))
  } catch {
    throw new SurefootError({
      code: 'INVALID_REQUEST',
      message: 'The request holds something that cannot be written as JSON.',
    })
  }
}
