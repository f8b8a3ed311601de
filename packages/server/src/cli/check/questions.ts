/** The guide's questions; a longer test begins again from the first. */
const QUESTIONS = [
  'What is water?',
  'Explain photosynthesis simply.',
  'What is gravity?',
  'How do plants grow?',
  'What is the solar system?',
]

/** Keeps the answers short, so that the test measures arrival and not length. */
export const SYSTEM = 'You are a helpful teacher. Answer in one or two sentences.'

/** The question of the request with this number, counted from 0. */
export function questionAt(index: number): string {
  return QUESTIONS[index % QUESTIONS.length] as string
}
