import { BREAKER_FAULTS } from './breaker-faults.ts'
import { CALL_FAULTS } from './call-faults.ts'
import { CAPABILITY_FAULTS } from './capability-faults.ts'
import type { PlantedFault } from './planted-fault.ts'
import { QUEUE_FAULTS } from './queue-faults.ts'
import { STREAM_FAULTS } from './stream-faults.ts'

/** All that is planted, one at a time. */
export const PLANTED_FAULTS: readonly PlantedFault[] = [
  ...BREAKER_FAULTS,
  ...CALL_FAULTS,
  ...QUEUE_FAULTS,
  ...STREAM_FAULTS,
  ...CAPABILITY_FAULTS,
]
