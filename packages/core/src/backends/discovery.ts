import { TimeoutStrategy, timeout } from 'cockatiel'

import { discoveredUrl } from '../config/backend-url.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'

/** How often names are looked up again. */
const EVERY_MS = 10_000
/** The same while a name has never been answered. */
const AT_FIRST_EVERY_MS = 1_000
/** A look-up may take this long. */
const RESOLVE_MS = 3_000

/** All addresses of a host name, IPv4 and IPv6. */
export type Resolve = (hostname: string) => Promise<readonly string[]>

/** What discovery is made with. */
export interface DiscoveryDeps {
  readonly resolve: Resolve
  readonly runtime: Runtime
  /** Called with the URLs of all backends whenever they have changed. */
  readonly onFound: (urls: readonly string[]) => void
}

/**
 * Turns a list of targets into a list of backends, and keeps it up to date: a URL is itself, a name that stands for several
 * is looked up again and again. A look-up that fails or finds nothing changes nothing: the name service may be what broke.
 */
export class Discovery {
  readonly #deps: DiscoveryDeps
  readonly #bounded = timeout(RESOLVE_MS, TimeoutStrategy.Aggressive)
  /** What each target stands for; `undefined` until it was answered. */
  #targets = new Map<string, readonly string[] | undefined>()
  #told = ''
  #timer: Timer | undefined
  #round = 0

  constructor(deps: DiscoveryDeps) {
    this.#deps = deps
  }

  /** From now on these; what is known of a name that stays is kept. */
  set(targets: readonly string[]): void {
    const known = this.#targets
    this.#targets = new Map(
      targets.map((target) => [target, discoveredUrl(target) === undefined ? [target] : known.get(target)]),
    )
    this.#tell()
    void this.#lookUp()
  }

  close(): void {
    this.#round++
    this.#timer?.cancel()
  }

  async #lookUp(): Promise<void> {
    const round = ++this.#round
    this.#timer?.cancel()
    const names = [...this.#targets.keys()].filter((target) => discoveredUrl(target) !== undefined)
    if (names.length === 0) return
    const answers = await Promise.all(names.map(async (target) => ({ target, urls: await this.#resolved(target) })))
    // Closed, or given other targets, in the meantime.
    if (round !== this.#round) return
    for (const { target, urls } of answers) if (urls.length > 0) this.#targets.set(target, urls)
    this.#tell()
    const delayMs = names.some((target) => this.#targets.get(target) === undefined) ? AT_FIRST_EVERY_MS : EVERY_MS
    this.#timer = this.#deps.runtime.timers.set(delayMs, () => void this.#lookUp(), 'background')
  }

  async #resolved(target: string): Promise<readonly string[]> {
    const url = new URL(discoveredUrl(target) as string)
    try {
      const addresses = await this.#bounded.execute(() => this.#deps.resolve(url.hostname.replace(/^\[|\]$/g, '')))
      // Name services turn the order at every answer.
      return addresses.toSorted().map((address) => {
        const one = new URL(url)
        one.hostname = address.includes(':') ? `[${address}]` : address
        return one.href.replace(/\/+$/, '')
      })
    } catch {
      return []
    }
  }

  #tell(): void {
    const urls = [...new Set([...this.#targets.values()].flatMap((known) => known ?? []))]
    const told = urls.join(' ')
    if (told === this.#told) return
    this.#told = told
    this.#deps.onFound(urls)
  }
}
