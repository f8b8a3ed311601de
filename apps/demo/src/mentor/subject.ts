/** The school subjects a question can belong to. */
export type Subject = 'Physics' | 'Chemistry' | 'Biology' | 'Earth & Space Science' | 'Science'

const WORDS: readonly (readonly [Exclude<Subject, 'Science'>, RegExp])[] = [
  [
    'Earth & Space Science',
    /\b(earths?|solar system|planets?|moons?|sun|stars?|space|sky|rain|rainbows?|weather|clouds?|wind|storms?|seasons?|volcano(es)?|earthquakes?|oceans?|rocks?|soil|climate)\b/g,
  ],
  [
    'Biology',
    /\b(plants?|animals?|photosynthesis|cells?|hearts?|blood|bod(y|ies)|birds?|cats?|dogs?|insects?|trees?|leaf|leaves|sleep|brains?|bones?|germs?|dna|genes?|heredity|digestion|breath(e|ing)|evolution)\b/g,
  ],
  [
    'Chemistry',
    /\b(atoms?|molecules?|acids?|bases?|chemicals?|reactions?|elements?|compounds?|mixtures?|lemon|sour|salt|metals?|burn(s|ing)?|water|oxygen|hydrogen)\b/g,
  ],
  [
    'Physics',
    /\b(gravity|forces?|motion|energy|electricity|magnets?|light|sound|heat|speed|friction|pressure|fly|machines?|currents?|lenses|mirrors?)\b/g,
  ],
]

/** Guesses the subject from the words of a question; most hits win, the order above settles a tie. */
export function guessSubject(question: string): Subject {
  const text = question.toLowerCase()
  let best: Subject = 'Science'
  let most = 0
  for (const [subject, words] of WORDS) {
    const hits = text.match(words)?.length ?? 0
    if (hits > most) {
      best = subject
      most = hits
    }
  }
  return best
}
