import type { Problem } from './turn.ts'

const AGAIN = 'try again in a moment'

/** What to do by error code, for somebody who only wants an answer. */
const BY_CODE: Readonly<Record<string, string>> = {
  CANNOT_CONNECT: `The mentor is out of reach: ${AGAIN}.`,
  BREAKER_OPEN: `The mentor is out of reach: ${AGAIN}.`,
  SERVER_UNREACHABLE: 'This page has lost its server: start the demo again, then try again.',
  SHUTTING_DOWN: `The mentor is being restarted: ${AGAIN}.`,
  MODEL_NOT_FOUND: 'The mentor is not installed yet: ask a grown-up.',
  OVERLOADED: `The mentor has too many questions: ${AGAIN}.`,
  QUEUE_FULL: `The mentor has too many questions: ${AGAIN}.`,
  QUEUE_TIMEOUT: `The mentor has too many questions: ${AGAIN}.`,
  RESPONSE_TIMEOUT: 'The mentor was silent for too long: try again.',
  DEADLINE_EXCEEDED: 'The mentor took too long: try again, perhaps with an easier question.',
  STREAM_INTERRUPTED: 'The rest of the answer got lost: try again.',
  CONTEXT_OVERFLOW: 'That is too much to read at once: ask a shorter question.',
  PAYLOAD_TOO_LARGE: 'That is too much to read at once: ask a shorter question.',
}

/** What to do about a failed answer, in one sentence; the mechanism comes after it. */
export function adviceFor(problem: Problem, isBrokenOnPurpose: boolean): string {
  // Without the page's own server the break bar does not work either; and what the question itself has wrong stays wrong.
  const isOfTheQuestion = problem.code === 'CONTEXT_OVERFLOW' || problem.code === 'PAYLOAD_TOO_LARGE'
  if (isBrokenOnPurpose && problem.code !== 'SERVER_UNREACHABLE' && !isOfTheQuestion) {
    return 'Something is broken on purpose: press “Nothing broken” in the engine room, then try again.'
  }
  return BY_CODE[problem.code ?? ''] ?? 'Something went wrong: try again.'
}
