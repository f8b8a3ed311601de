import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'

/** Whether Ollama on a loopback address lets a request in, judged by its Host and Origin. */
export function isAllowed(headers: IncomingHttpHeaders): boolean {
  const host = hostName(headers.host ?? '')
  if (!isLocalName(host)) return false
  const { origin } = headers
  if (origin === undefined || origin === `http://${headers.host}`) return true
  const parts = /^(\w[\w-]*):\/\/(.*)$/.exec(origin)
  if (parts === null) return false
  const [, scheme, rest] = parts as unknown as [string, string, string]
  if (['app', 'file', 'tauri', 'vscode-webview', 'vscode-file'].includes(scheme)) return true
  return /^https?$/.test(scheme) && ['localhost', '127.0.0.1', '0.0.0.0'].includes(hostName(rest))
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

function isLocalName(host: string): boolean {
  if (host === '' || host === 'localhost') return true
  if (isIP(host) !== 0) return /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|0\.0\.0\.0$|::1?$)/.test(host)
  return /\.(localhost|local|internal)$/.test(host)
}
