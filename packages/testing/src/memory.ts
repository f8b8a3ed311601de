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
  /** Tokens of context that it was loaded with; `undefined` when nobody has asked for it yet. */
  contextOf(model: string): number | undefined
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
  /** The options that decide how it is loaded, printed: with others it is loaded anew. */
  readonly loadedWith: string
  /** Tokens of context that it needs. */
  readonly context: number
}

interface Waiter {
  readonly loadMs: number
  readonly loadedWith: string
  readonly context: number
  readonly enter: () => void
}

interface Place {
  /** `undefined` until something happened to the model: then it is in memory if loading takes no time. */
  isLoaded: boolean | undefined
  /** `undefined` when nobody has asked for it yet: then the first request finds it as it wants it. */
  loadedWith: string | undefined
  context: number | undefined
  users: number
  keepAliveMs: number
  usedAtMs: number
  /** A use of it has ended since it was loaded: only then does Ollama fix the time at which it expires. */
  hasBeenUsed: boolean
  /** The first waiter is the one whose request loads. */
  waiters: Waiter[]
  isLoading: boolean
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
      loadedWith: undefined,
      context: undefined,
      users: 0,
      keepAliveMs,
      usedAtMs: Date.now(),
      hasBeenUsed: false,
      waiters: [],
      isLoading: false,
      timer: undefined,
    }
    places.set(model, place)
    return place
  }

  const isLoaded = (place: Place): boolean => {
    const inMemory = place.isLoaded ?? settings().loadMs === 0
    return inMemory && (place.users > 0 || Date.now() < place.usedAtMs + place.keepAliveMs)
  }

  /** The first in line loads, once nobody uses the model as it was loaded before. */
  const beginLoad = (place: Place): void => {
    const loader = place.waiters[0]
    if (loader === undefined || place.isLoading || place.users > 0) return
    tally().loads++
    place.isLoading = true
    place.isLoaded = false
    const finish = (): void => {
      place.timer = undefined
      place.isLoading = false
      place.isLoaded = true
      place.loadedWith = loader.loadedWith
      place.context = loader.context
      place.hasBeenUsed = false
      const isServed = ({ loadedWith }: Waiter): boolean => loadedWith === loader.loadedWith
      const served = place.waiters.filter(isServed)
      place.waiters = place.waiters.filter((waiter) => !isServed(waiter))
      for (const waiter of served) waiter.enter()
      beginLoad(place)
    }
    if (loader.loadMs <= 0) finish()
    else place.timer = setTimeout(finish, loader.loadMs)
  }

  const waitForLoad = (place: Place, request: MemoryRequest): Promise<void> =>
    new Promise((resolve, reject) => {
      const { signal, loadMs, loadedWith, context } = request
      const waiter: Waiter = {
        loadMs,
        loadedWith,
        context,
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
        if (at > 0 || !place.isLoading) return
        // The load belongs to the request that caused it; the next one in line starts its own.
        clearTimeout(place.timer)
        place.timer = undefined
        place.isLoading = false
        tally().abortedLoads++
        beginLoad(place)
      }
      signal.addEventListener('abort', leave, { once: true })
      place.waiters.push(waiter)
      beginLoad(place)
    })

  const waitingInAll = (): number =>
    [...places.values()].reduce((sum, place) => sum + Math.max(0, place.waiters.length - 1), 0)

  return {
    async use(model, request) {
      const place = placeOf(model)
      const fits = place.loadedWith === undefined || place.loadedWith === request.loadedWith
      // Once somebody waits for another load, those who would be served by this one wait too, as in Ollama's scheduler.
      if (isLoaded(place) && fits && place.waiters.length === 0) {
        place.users++
        place.loadedWith = request.loadedWith
        place.context = request.context
      } else {
        if (place.waiters.length > 0 && waitingInAll() >= settings().maxQueue) throw new ServerBusy()
        await waitForLoad(place, request)
      }
      place.keepAliveMs = request.keepAliveMs ?? settings().keepAliveMs
      return () => {
        place.users--
        place.usedAtMs = Date.now()
        place.hasBeenUsed = true
        beginLoad(place)
      }
    },
    unload(model) {
      placeOf(model).isLoaded = false
    },
    contextOf: (model) => places.get(model)?.context,
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
