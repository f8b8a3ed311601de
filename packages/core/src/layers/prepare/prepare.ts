import { SurefootError } from '@surefoot/protocol'
import type { ChatRequest } from '@surefoot/protocol'

import type { LoadOptions } from '../../load-options.ts'
import type { Layer } from '../../service.ts'

/** What the layer is built with. */
export interface PrepareDeps {
  /** One set of load-relevant options for all calls of a model. */
  readonly loadOptions: Pick<LoadOptions, 'unify'>
}

/** What queue, cache and transport need to know of a call: one set of load options for its model, and the request printed once. */
export function createPrepare({ loadOptions }: PrepareDeps): Layer {
  return (next) => async (call, context) => {
    const { options } = call.request
    const unified = loadOptions.unify(call.model, options)
    const request = unified === options ? call.request : { ...call.request, options: unified }
    return await next({ ...call, request, body: printed(request) }, context)
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
