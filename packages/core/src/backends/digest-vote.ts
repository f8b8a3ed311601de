import type { Backend } from './backend.ts'

/**
 * Leaves out the backends on which the model's tag stands for another digest than on most: it is another model there, and
 * an answer must not depend on where a call happens to go. Among equally many the first backend's digest counts. A
 * backend whose digest is not known is not left out. One that is drained has no vote: it was taken out by order, and for
 * long perhaps; nor has one that has been down for longer than calls wait, or two dead ones would keep a living one from
 * answering.
 */
export function withSameDigest(backends: readonly Backend[], model: string): readonly Backend[] {
  const votes = votesOf(backends, model)
  if (votes.size < 2) return backends
  const chosen = winnerOf(votes)
  return backends.filter(({ digests }) => (digests.get(model) ?? chosen) === chosen)
}

/** The digest that counts for a model, by the same vote; `undefined` while no backend's is known. */
export function votedDigest(backends: readonly Backend[], model: string): string | undefined {
  const [only] = backends
  return backends.length === 1 ? only?.digests.get(model) : winnerOf(votesOf(backends, model))
}

function votesOf(backends: readonly Backend[], model: string): ReadonlyMap<string, number> {
  const votes = new Map<string, number>()
  for (const { digests, draining, isGivenUp } of backends) {
    const digest = digests.get(model)
    if (digest !== undefined && !draining && !isGivenUp) votes.set(digest, (votes.get(digest) ?? 0) + 1)
  }
  return votes
}

function winnerOf(votes: ReadonlyMap<string, number>): string | undefined {
  const most = Math.max(...votes.values())
  return [...votes].find(([, count]) => count === most)?.[0]
}
