import type { Connect, Connection } from '@surefoot/core'
import type { VirtualTime } from '@surefoot/testing'
import type { Dispatcher } from 'undici'

/** What it does with chats. `wedged`: silent, though it answers every health route. `refusing`: 503 at once. */
export type Mood = 'well' | 'wedged' | 'refusing' | 'away'

/** One chat request as it came. */
export interface SeenRequest {
  readonly atMs: number
  readonly model: string
  readonly isLoad: boolean
  readonly isCanary: boolean
  readonly options: Readonly<Record<string, unknown>>
  /** It was cut before its end. */
  wasCut: boolean
}

const BUSY = '{"error":"server busy, please try again.  maximum pending requests exceeded"}'

/** An Ollama in virtual time, behind the interface that core has for its sockets. */
export class ScriptedOllama {
  mood: Mood = 'well'
  /** What a load is answered with instead of being done. */
  loadError: { readonly status: number; readonly error: string } | undefined
  loadMs = 1_000
  firstTokenMs = 100
  tokenMs = 100
  tokens = 3
  /** Paths that are not answered, or with an error. */
  readonly broken = new Set<string>()
  readonly inMemory = new Set<string>()
  /** Bytes of each model, and how many of them are on the GPU; a CPU machine says 0. */
  vram = { size: 100, size_vram: 0 }
  readonly seen: SeenRequest[] = []
  /** Short calls, by path. */
  readonly asked: string[] = []
  closed = 0
  readonly #time: VirtualTime

  constructor(time: VirtualTime) {
    this.#time = time
  }

  get loads(): number {
    return this.seen.filter(({ isLoad }) => isLoad).length
  }

  get canaries(): number {
    return this.seen.filter(({ isCanary }) => isCanary).length
  }

  get chats(): number {
    return this.seen.length - this.loads - this.canaries
  }

  readonly connection: Connection = {
    sockets: 0,
    dispatch: (_method, _path, body, handler) => this.#serve(JSON.parse(String(body)) as Body, handler),
    renew: () => {},
    calls: {
      json: async (path) => await this.#answer(path),
      probe: async () => (this.mood === 'away' ? 'away' : 'answers'),
    },
    close: async () => {
      this.closed++
    },
  }

  async #answer(path: string): Promise<unknown> {
    this.asked.push(path)
    await new Promise<void>((resolve) => void this.#time.timers.set(1, resolve, 'background'))
    if (this.mood === 'away' || this.broken.has(path)) throw new Error('no answer')
    const names = [...this.inMemory]
    const models = names.map((name) => ({ name, expires_at: '2026-11-23T04:00:00Z', ...this.vram }))
    const tags = ['llama3.2:latest', 'qwen3:8b'].map((name) => ({ name, digest: 'd', size: 1, modified_at: '' }))
    return { version: '0.32.15', models: path === '/api/ps' ? models : tags }
  }

  #serve({ model, messages, options = {} }: Body, handler: Dispatcher.DispatchHandler): void {
    const isLoad = messages.length === 0
    const isCanary = options['num_predict'] === 1
    const request = { atMs: this.#time.clock.monotonicMs(), model, isLoad, isCanary, options, wasCut: false }
    this.seen.push(request)
    let over = false
    let timer: { cancel(): void } | undefined
    const controller = {
      abort(reason: Error) {
        if (over) return
        over = true
        timer?.cancel()
        request.wasCut = true
        handler.onResponseError?.(controller, reason)
      },
      pause: () => {},
      resume: () => {},
    } as unknown as Dispatcher.DispatchController
    const after = (ms: number, act: () => void): void => {
      timer = this.#time.timers.set(ms, act)
    }
    const whole = (status: number, body: string): void => {
      over = true
      handler.onResponseStart?.(controller, status, {}, '')
      handler.onResponseData?.(controller, Buffer.from(body))
      handler.onResponseEnd?.(controller, {})
    }
    const line = (content: string, done: boolean): string =>
      `${JSON.stringify({ model, created_at: '', message: { role: 'assistant', content }, done, ...(done && { done_reason: 'stop' }) })}\n`
    handler.onRequestStart?.(controller, {})
    if (this.mood === 'away') {
      after(1, () => {
        over = true
        handler.onResponseError?.(controller, Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
      })
    } else if (this.mood === 'refusing') after(1, () => whole(503, BUSY))
    else if (this.mood === 'wedged') return
    else if (isLoad) {
      after(this.loadMs, () => {
        if (this.loadError !== undefined) {
          return whole(this.loadError.status, JSON.stringify({ error: this.loadError.error }))
        }
        this.inMemory.add(model)
        whole(200, '{"done":true,"done_reason":"load"}')
      })
    } else if (isCanary) after(this.firstTokenMs, () => whole(200, line('Hello', true)))
    else {
      const send = (index: number): void => {
        this.inMemory.add(model)
        if (index === 0) handler.onResponseStart?.(controller, 200, {}, '')
        handler.onResponseData?.(
          controller,
          Buffer.from(line(index < this.tokens ? `${index} ` : '', index === this.tokens)),
        )
        if (index < this.tokens) after(this.tokenMs, () => send(index + 1))
        else {
          over = true
          handler.onResponseEnd?.(controller, {})
        }
      }
      after(this.firstTokenMs, () => send(0))
    }
  }
}

interface Body {
  readonly model: string
  readonly messages: readonly unknown[]
  readonly options?: Readonly<Record<string, unknown>>
}

/** The way to several of them, by URL. */
export function connectTo(ollamas: Readonly<Record<string, ScriptedOllama>>): Connect {
  return (url) => (ollamas[url] as ScriptedOllama).connection
}
