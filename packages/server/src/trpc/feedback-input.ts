import { isRunId } from '@surefoot/protocol'
import { z } from 'zod'

/** Input of the procedure `feedback`: which answer, by the id of its run, and whether it was good. */
export const feedbackInputSchema = z.object(
  {
    runId: z.string('runId must be a UUID').refine(isRunId, 'runId must be a UUID'),
    isGood: z.boolean('isGood must be true or false'),
  },
  'the input must be an object with runId and isGood',
)
