import type { TelemetryEvent } from '@surefoot/core'
import type { ChatAnswer, SurefootError } from '@surefoot/protocol'

import type { CallRecord } from '../callers/call-record.ts'
import type { ModelledOllama } from '../ollama/modelled-ollama.ts'
import type { Exchange, ExchangeEnd } from '../wire/exchange.ts'
import type { WireRequest } from './wire-request.ts'

/** A request to a model, as it was seen on the wire. */
export interface SeenRequest {
  readonly exchange: Exchange
  readonly request: WireRequest
  /** Whose it is; absent for one that no caller caused. */
  readonly call: CallRecord | undefined
  readonly ollama: ModelledOllama
}

/** One invariant of a capability; it is told what happens as far as it wants to know. */
export interface CapabilityCheck {
  dispatched?(seen: SeenRequest, open: ReadonlySet<SeenRequest>): void
  ended?(seen: SeenRequest, how: ExchangeEnd): void
  /** A model was loaded anew as a request named other options. */
  reloaded?(ollama: ModelledOllama, model: string, loadOptions: string): void
  answered?(call: CallRecord, answer: ChatAnswer): void
  failed?(call: CallRecord, error: SurefootError): void
  /** However it ended. */
  callEnded?(call: CallRecord, open: ReadonlySet<SeenRequest>): void
  /** A caller is told that it waits. */
  queued?(call: CallRecord, open: ReadonlySet<SeenRequest>): void
  told?(event: TelemetryEvent, open: ReadonlySet<SeenRequest>): void
  /** Something befalls a backend, or ends. */
  befell?(what: string, backend: number): void
}
