/** The smallest count below or at which a binomial variable lies with that probability. */
export function binomialQuantile(trials: number, probability: number, share: number): number {
  // In logarithms: the first term is too small for a double when there are many trials.
  let logTerm = trials * Math.log1p(-probability)
  let sum = Math.exp(logTerm)
  let count = 0
  while (sum < share && count < trials) {
    logTerm += Math.log((trials - count) / (count + 1)) + Math.log(probability) - Math.log1p(-probability)
    count++
    sum += Math.exp(logTerm)
  }
  return count
}
