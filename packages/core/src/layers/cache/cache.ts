import type { AnswerCache } from '../../answer-store/answer-cache.ts'
import { isDeterministic } from '../../answer-store/answer-key.ts'
import type { Config } from '../../config/config.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Call, Layer } from '../../service.ts'
import { Desk } from './desk.ts'

/** The settings it goes by. */
export type CacheOptions = Pick<Config, 'cache' | 'degradeToCache'>

/** What the layer is built with. */
export interface CacheDeps {
  readonly answers: AnswerCache
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>
}

/**
 * The same question with the same settings is answered once: from what is kept, or by joining the run of whoever asked
 * first. Deterministic calls and those that ask for it; the others pass, and where an older answer may be wanted later,
 * theirs is kept for that.
 *
 * An answer is kept when its call has ended well: whoever stands above may still find something wrong with it.
 */
export function createCache({ cache, degradeToCache }: CacheOptions, { answers, runtime }: CacheDeps): Layer {
  return (next) => {
    const desk = new Desk(next, answers, runtime)
    return (call, context) => {
      if (!answers.mayKeep(call)) return next(call, context)
      const key = cache && isShared(call) ? answers.keyOf(call) : undefined
      if (key !== undefined) return desk.ask(key, call, context)
      if (degradeToCache) {
        context.defer((end) => {
          const own = end.kind === 'answered' ? answers.keyOf(call) : undefined
          if (own !== undefined && end.kind === 'answered') answers.keep(own, call, end.answer)
        })
      }
      return next(call, context)
    }
  }
}

/** Whether its caller takes an answer that was given to somebody else. */
function isShared(call: Call): boolean {
  return call.cache ?? isDeterministic(call)
}
