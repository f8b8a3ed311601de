import type { RunEvent } from '@surefoot/protocol'

/** An event of a run as a plain object: what core adds for callers in process (the raw line) stays in process. */
export function eventToWire(event: RunEvent): RunEvent {
  if (event.type === 'finish') return { type: 'finish', answer: event.answer }
  if (event.type !== 'delta') return event
  return {
    type: 'delta',
    text: event.text,
    ...(event.thinking !== undefined && { thinking: event.thinking }),
    ...(event.toolCalls !== undefined && { toolCalls: event.toolCalls }),
  }
}
