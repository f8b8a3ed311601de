/** What the stand-in has counted since it began or was reset. */
export interface StandInCounts {
  /** Requests whose head arrived. */
  requests: number
  /** The same by path. */
  routes: Record<string, number>
  /** Requests to /api/chat, /api/generate and /v1/chat/completions. */
  chats: number
  /** Of these, the ones answered to the last byte by a model. */
  answered: number
  /** Of these, the ones whose client left first. */
  canceled: number
  /** Times the port was closed by `refuse`. */
  refusedWindows: number
  /** Requests struck by a fault. */
  faulted: number
  /** Connections accepted. */
  connections: number
  /** Connections open now. */
  openConnections: number
  /** Requests in progress now, waiting ones included. */
  openRequests: number
  /** Prompts that were cut to fit into their context. */
  cutPrompts: number
  /** Loads begun. */
  loads: number
  /** Loads broken off because the client that caused them left. */
  abortedLoads: number
  /** Tokens generated. */
  tokens: number
  /** Tokens made for nobody: at most those since the client was last seen there. */
  wastedTokens: number
  /** Bytes written to sockets, heads included. */
  bytes: number
}

/** Counters that are counted up; the rest of {@link StandInCounts} is measured. */
export type Tally = Omit<StandInCounts, 'openConnections' | 'openRequests' | 'bytes'>

/** A tally of nothing. */
export function emptyTally(): Tally {
  return {
    requests: 0,
    routes: {},
    chats: 0,
    answered: 0,
    canceled: 0,
    refusedWindows: 0,
    faulted: 0,
    connections: 0,
    cutPrompts: 0,
    loads: 0,
    abortedLoads: 0,
    tokens: 0,
    wastedTokens: 0,
  }
}
