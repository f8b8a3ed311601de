import { SurefootError } from '@surefoot/protocol'

/** @throws SurefootError `INVALID_CONFIG` when the server would be open to the network without a key. */
export function refuseOpenBinding(host: string, keys: readonly string[]): void {
  if (isLoopback(host) || keys.length > 0) return
  throw new SurefootError({
    code: 'INVALID_CONFIG',
    message: `Refusing to listen on ${host} without a key, because anyone on the network could use it.`,
    hint: 'Set a key with --key or SUREFOOT_KEY, or listen on 127.0.0.1.',
  })
}

/** Whether a host to bind to is reachable from this machine alone. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return bare === 'localhost' || bare === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare)
}
