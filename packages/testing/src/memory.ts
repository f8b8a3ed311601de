import type { Tally } from './counts.ts'
import type { CompleteSettings } from './options.ts'

/** Says that too many requests wait for a load. */
export class ServerBusy extends Error {}

/** Which models are in memory, and who waits for one. */
export interface Memory {
  /** Resolves when the model is in memory; the returned function ends this use of it. */
  use(model: string, request: MemoryRequest): Promise<() => void>
  /** Takes a model out of memory at once. */
  unload(model: string): void
  /** When the model leaves memory, in ms since 1970; `undefined` if it is not in memory. */
  expiryMs(model: string): number | undefined
  /** All is gone, as after the death of the process. */
  clear(): void
}

/** How a request uses a model. */
export interface MemoryRequest {
  readonly signal: AbortSignal
  readonly loadMs: number
  /** The request's own keep_alive, in ms; `Infinity` = for ever. */
  readonly keepAliveMs: number | undefined
}

interface Waiter {
  readonly loadMs: number
  readonly enter: () => void
}

interface Place {
  /** `undefined` until something happened to the model: then it is in memory if loading takes no time. */
  isLoaded: boolean | undefined
  users: number
  keepAliveMs: number
  usedAtMs: number
  /** A use of it has ended since it was loaded: only then does Ollama fix the time at which it expires. */
  hasBeenUsed: boolean
  /** The first waiter is the one whose request loads. */
  readonly waiters: Waiter[]
  timer: NodeJS.Timeout | undefined
}

/** Makes the memory. */
export function createMemory(settings: () => CompleteSettings, tally: () => Tally): Memory {
  const places = new Map<string, Place>()

  const placeOf = (model: string): Place => {
    const known = places.get(model)
    if (known !== undefined) return known
    const keepAliveMs = settings().keepAliveMs
    const place: Place = {
      isLoaded: undefined,
      users: 0,
      keepAliveMs,
      usedAtMs: Date.now(),
      hasBeenUsed: false,
      waiters: [],
      timer: undefined,
    }
    places.set(model, place)
    return place
  }

  const isLoaded = (place: Place): boolean => {
    const inMemory = place.isLoaded ?? settings().loadMs === 0
    return inMemory && (place.users > 0 || Date.now() < place.usedAtMs + place.keepAliveMs)
  }

  const beginLoad = (place: Place): void => {
    const loader = place.waiters[0]
    if (loader === undefined) return
    tally().loads++
    const finish = (): void => {
      place.timer = undefined
      place.isLoaded = true
      place.hasBeenUsed = false
      for (const waiter of place.waiters.splice(0)) waiter.enter()
    }
    if (loader.loadMs <= 0) finish()
    else place.timer = setTimeout(finish, loader.loadMs)
  }

  const waitForLoad = (place: Place, request: MemoryRequest): Promise<void> =>
    new Promise((resolve, reject) => {
      const { signal, loadMs } = request
      const waiter: Waiter = {
        loadMs,
        enter() {
          signal.removeEventListener('abort', leave)
          place.users++
          resolve()
        },
      }
      const leave = (): void => {
        const at = place.waiters.indexOf(waiter)
        place.waiters.splice(at, 1)
        reject(signal.reason as Error)
        if (at > 0) return
        // The load belongs to the request that caused it; the next one in line starts its own.
        clearTimeout(place.timer)
        place.timer = undefined
        tally().abortedLoads++
        beginLoad(place)
      }
      signal.addEventListener('abort', leave, { once: true })
      place.waiters.push(waiter)
      if (place.waiters.length === 1) beginLoad(place)
    })

  const waitingInAll = (): number =>
    [...places.values()].reduce((sum, place) => sum + Math.max(0, place.waiters.length - 1), 0)

  return {
    async use(model, request) {
      const place = placeOf(model)
      if (isLoaded(place)) place.users++
      else {
        if (place.waiters.length > 0 && waitingInAll() >= settings().maxQueue) throw new ServerBusy()
        await waitForLoad(place, request)
      }
      place.keepAliveMs = request.keepAliveMs ?? settings().keepAliveMs
      return () => {
        place.users--
        place.usedAtMs = Date.now()
        place.hasBeenUsed = true
      }
    },
    unload(model) {
      placeOf(model).isLoaded = false
    },
    expiryMs(model) {
      const place = placeOf(model)
      if (!isLoaded(place)) return undefined
      return (place.users > 0 && !place.hasBeenUsed ? Date.now() : place.usedAtMs) + place.keepAliveMs
    },
    clear() {
      for (const place of places.values()) clearTimeout(place.timer)
      places.clear()
    },
  }
}
