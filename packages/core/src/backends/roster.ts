import { SurefootError } from '@surefoot/protocol'

import { backendName } from '../config/backend-url.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { Backend } from './backend.ts'
import { Fleet } from './fleet.ts'
import type { Member } from './member.ts'

/** All members, those that come and those that go: it keeps the fleet as it should be. */
export class Roster {
  readonly fleet: Fleet = new Fleet([])
  readonly #telemetry: Telemetry
  /** Those it begins with are told of by the client itself. */
  #isFirst = true
  readonly #create: (url: string) => Member
  readonly #members = new Map<string, Member>()
  /** Also of those that are no longer used, but still answer. */
  readonly #memberOf = new Map<Backend, Member>()

  constructor(create: (url: string) => Member, telemetry: Telemetry) {
    this.#create = create
    this.#telemetry = telemetry
  }

  /** Those that calls may go to. */
  get members(): readonly Member[] {
    return [...this.#members.values()]
  }

  /** The one a lease belongs to. */
  of(backend: Backend): Member {
    return this.#memberOf.get(backend) as Member
  }

  /** @throws SurefootError `INVALID_REQUEST` that names the known ones. */
  named(url: string): Member {
    const name = URL.canParse(url) ? backendName(url) : url
    const member = this.#members.get(name)
    if (member !== undefined) return member
    const known = [...this.#members.keys()].join(', ')
    throw new SurefootError({
      code: 'INVALID_REQUEST',
      message: `There is no backend ${name}.`,
      hint: known === '' ? 'No backend is known at the moment.' : `Name one of: ${known}.`,
    })
  }

  /**
   * From now on these URLs. Who stays keeps all that is known of it; who goes answers to the end what it has begun.
   *
   * @returns whether any came or went.
   */
  set(urls: readonly string[]): boolean {
    const before = this.fleet.backends
    for (const [name, member] of this.#members) {
      if (urls.includes(member.backend.url)) continue
      this.#members.delete(name)
      this.#retire(member)
    }
    for (const url of urls) if (!this.#members.has(backendName(url))) this.#add(url)
    this.#isFirst = false
    return this.fleet.backends !== before
  }

  /** Closes every member at once. */
  async close(): Promise<void> {
    await Promise.all([...this.#memberOf.values()].map((member) => member.close()))
  }

  #add(url: string): void {
    const member = this.#create(url)
    this.#members.set(member.backend.name, member)
    this.#memberOf.set(member.backend, member)
    if (!this.#isFirst) this.#telemetry.emit({ type: 'backend-join', backend: member.backend.name })
    this.fleet.add(member.backend)
  }

  #retire(member: Member): void {
    const { backend } = member
    this.#telemetry.emit({ type: 'backend-leave', backend: backend.name })
    this.fleet.remove(backend)
    const closeIfIdle = (): void => {
      if (backend.slots.held > 0) return
      stop()
      this.#memberOf.delete(backend)
      void member.close()
    }
    const stop = backend.onChange(closeIfIdle)
    closeIfIdle()
  }
}
