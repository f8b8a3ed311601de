import { readdirSync, readFileSync } from 'node:fs'
import { extname, join, relative, sep } from 'node:path'
import type { Hono } from 'hono'

/** The built page in memory: it is three files, and nothing outside its folder can be asked for. */
export type PageFiles = ReadonlyMap<string, { readonly type: string; readonly bytes: Uint8Array<ArrayBuffer> }>

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
}

/** Nothing but the page's own files runs, loads or is asked; React sets styles through the DOM, which this allows. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Reads a built page from its folder. */
export function readPageFiles(folder: string): PageFiles {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    names.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const url = `/${relative(folder, path).split(sep).join('/')}`
      const type = TYPES[extname(entry.name)] ?? 'application/octet-stream'
      return [url, { type, bytes: new Uint8Array(readFileSync(path)) }]
    }),
  )
}

/** Serves the page: `/` is its document, everything under `/assets` has a hash in its name and may be kept for ever. */
export function addPageRoutes(app: Hono, files: PageFiles): void {
  for (const [url, file] of files) {
    const isForever = url.startsWith('/assets/')
    const headers = {
      'content-type': file.type,
      'cache-control': isForever ? 'public, max-age=31536000, immutable' : 'no-cache',
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    }
    app.get(url === '/index.html' ? '/' : url, (context) => context.body(file.bytes, 200, headers))
  }
}
