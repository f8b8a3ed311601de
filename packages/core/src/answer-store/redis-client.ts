/** What is used of a client of the package `redis`. */
export interface RedisClient {
  on(event: 'error', listener: (error: Error) => void): unknown
  /** Resolves when it has been greeted. */
  connect(): Promise<unknown>
  getRange(key: string, start: number, end: number): Promise<string | null>
  set(key: string, value: string, options: { readonly expiration: { type: 'PX'; value: number } }): Promise<unknown>
  /** Ends it at once; what is under way fails. */
  destroy(): void
}

/** Makes a client that is not connected yet. */
export type CreateRedisClient = (url: string) => Promise<RedisClient>

/** Commands under way at the most. */
const MOST_COMMANDS = 10_000

/** The real one: what cannot be sent at once fails at once, and a connection that is lost stays lost. */
export const createRedisClient: CreateRedisClient = async (url) => {
  const { createClient } = await import('redis')
  const client = createClient({
    url,
    // Every Redis and Valkey, and whatever stands before one, speaks it.
    RESP: 2,
    disableOfflineQueue: true,
    commandsQueueMaxLength: MOST_COMMANDS,
    socket: { reconnectStrategy: false },
  })
  // It alone does not keep a process alive.
  client.unref()
  return client
}
