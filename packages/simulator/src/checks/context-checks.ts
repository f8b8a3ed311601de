import type { Config } from '@surefoot/core'
import type { ChatAnswer, SurefootError } from '@surefoot/protocol'

import type { CallRecord } from '../callers/call-record.ts'
import type { ModelledOllama } from '../ollama/modelled-ollama.ts'
import { FAILURE_TEXTS } from '../ollama/request-fault.ts'
import type { CapabilityCheck, SeenRequest } from './capability-check.ts'
import type { Report } from './violation.ts'

/** An answer to a question, and whether a part of the question was left out. */
interface Answered {
  readonly callId: number
  readonly atMs: number
  readonly wasCut: boolean
}

/** Numbers that a backend has told. */
interface Told {
  readonly needed: number
  readonly available: number
  readonly model: string
}

/** What I10 goes by. */
export interface ContextChecksDeps {
  readonly config: Pick<Config, 'maxContext'>
  readonly ollamas: readonly ModelledOllama[]
  readonly nowMs: () => number
  readonly report: Report
}

/**
 * I10: no answer is made from a prompt that was cut; who is told that it does not fit is told what it needs, what there is
 * and the mend, and it is true; no model is loaded anew twice for the same context.
 */
export class ContextChecks implements CapabilityCheck {
  readonly #deps: ContextChecksDeps
  readonly #answered = new Map<string, Answered[]>()
  readonly #told = new Map<number, Told[]>()
  readonly #reloads = new Map<string, number>()

  constructor(deps: ContextChecksDeps) {
    this.#deps = deps
  }

  ended({ exchange, request, call }: SeenRequest): void {
    if (call === undefined) return
    const { nowMs } = this.#deps
    const { wasAnswered, wasCut, overflow } = exchange
    if (wasAnswered) push(this.#answered, keyOf(call, request.model), { callId: call.id, atMs: nowMs(), wasCut })
    const told = overflow === undefined ? undefined : numbersIn(overflow)
    if (told !== undefined) push(this.#told, call.id, { ...told, model: request.model })
  }

  answered(call: CallRecord, { model, served }: ChatAnswer): void {
    if (served === 'fallback') return
    const all = this.#answered.get(keyOf(call, model)) ?? []
    const own = all.filter(({ callId }) => callId === call.id)
    const meanwhile = all.filter(({ atMs }) => atMs >= call.startedMs)
    const possible = own.length > 0 ? own.slice(-1) : meanwhile.length > 0 ? meanwhile : all
    if (possible.length > 0 && possible.every(({ wasCut }) => wasCut)) {
      this.#deps.report('I10', `call ${call.id} is answered by ${model} from a prompt that was cut`)
    }
  }

  failed({ id }: CallRecord, { code, neededTokens, availableTokens, hint }: SurefootError): void {
    if (code !== 'CONTEXT_OVERFLOW') return
    const { report, config, ollamas } = this.#deps
    const says = `call ${id} is told that it needs ${neededTokens} tokens and has ${availableTokens}`
    if (neededTokens === undefined) report('I10', `${says}: it needs more than nothing`)
    if (hint === undefined) report('I10', `${says}, and not what to do`)
    if (availableTokens !== undefined && (neededTokens ?? 0) < availableTokens) report('I10', `${says}: it would fit`)
    const told = this.#told.get(id)
    if (told === undefined) return
    const last = told.find(({ needed, available }) => needed === neededTokens && available === availableTokens)
    if (last === undefined) return report('I10', `${says}, which no backend has said`)
    const largest = ollamas.flatMap(({ options }) => options.models.filter(({ name }) => name === last.model))
    const most = Math.min(config.maxContext, ...largest.map(({ context = 0 }) => context))
    if (last.needed < most && !this.#wasShort) report('I10', `${says}, and not given ${most}, which is allowed`)
  }

  reloaded({ options }: ModelledOllama, model: string, loadOptions: string): void {
    const key = `${options.url} ${model} ${loadOptions}`
    const times = (this.#reloads.get(key) ?? 0) + 1
    this.#reloads.set(key, times)
    if (times > 1 && !this.#wasShort) {
      this.#deps.report('I10', `${options.url} has loaded ${model} anew ${times} times, with ${loadOptions}`)
    }
  }

  /** Memory has not sufficed somewhere: then a context may be taken back. */
  get #wasShort(): boolean {
    return this.#deps.ollamas.some(({ said }) => said.has(FAILURE_TEXTS.outOfMemory))
  }
}

function keyOf(call: CallRecord, model: string): string {
  return `${call.key} ${model}`
}

function push<K, T>(lists: Map<K, T[]>, key: K, item: T): void {
  const list = lists.get(key) ?? []
  list.push(item)
  lists.set(key, list)
}

function numbersIn(overflow: string): Omit<Told, 'model'> | undefined {
  const [, needed, available] = /n_prompt_tokens\W+(\d+)\W+n_ctx\W+(\d+)/.exec(overflow) ?? []
  return needed === undefined ? undefined : { needed: Number(needed), available: Number(available) }
}
