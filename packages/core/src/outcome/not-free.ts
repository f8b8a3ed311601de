/** Why an attempt that was to begin only if a slot was free at once did not begin: nothing failed, and nobody is told. */
export class NotFree extends Error {
  constructor() {
    super('no slot was free at once')
    this.name = 'NotFree'
  }
}
