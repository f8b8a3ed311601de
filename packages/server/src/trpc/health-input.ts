import { z } from 'zod'

/** Input of the procedure `health`: `force` asks the backends now instead of answering from the cache. */
export const healthInputSchema = z
  .object({ force: z.boolean('force must be true or false').optional() }, 'the input must be an object')
  .optional()
