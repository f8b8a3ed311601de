/** Why a call that waited for another model waits no more: the one it was meant for can be asked again. */
export class BetterModelBack extends Error {
  constructor() {
    super('a better model can be asked again')
    this.name = 'BetterModelBack'
  }
}
