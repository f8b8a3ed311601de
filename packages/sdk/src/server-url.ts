import { SurefootError } from '@surefoot/protocol'

/**
 * Checks the url of a server when the client is made: one that cannot work would else look like a server that is away.
 *
 * @throws SurefootError `INVALID_CONFIG` that says what is wrong with it, never with a password in it.
 */
export function checkServerUrl(url: unknown): void {
  const text = url instanceof URL ? url.href : url
  if (typeof text !== 'string') throw invalid(`is ${text === null ? 'null' : typeof text}, and must be a text`)
  const isPath = text === '' || /^\/(?!\/)/.test(text)
  if (!isPath && !/^https?:\/\/[^/?#]/i.test(text)) {
    throw invalid(`is '${shownUrl(text)}', and must begin with http:// or https:// and a host, or with / in a browser`)
  }
  const parsed = parse(text, isPath ? 'http://page' : undefined)
  if (parsed === undefined) throw invalid(`is '${shownUrl(text)}', which is no valid address`)
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalid('holds a user name or a password; send them as a header instead')
  }
  if (/[?#]/.test(text)) throw invalid(`has a query or a hash: '${shownUrl(text)}' is as far as it may go`)
}

/** Not URL.canParse() or URL.parse(): the oldest browsers that this runs in have neither. */
function parse(text: string, base: string | undefined): URL | undefined {
  try {
    return new URL(text, base)
  } catch {
    return undefined
  }
}

/** As it may be shown in a message: what could be a password, a query or a hash left out. */
function shownUrl(url: string): string {
  return url.replace(/[?#].*$/s, '').replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, '$1')
}

function invalid(what: string): SurefootError {
  return new SurefootError({
    code: 'INVALID_CONFIG',
    message: `The url of the Surefoot server ${what}.`,
    hint: 'Give it as in http://127.0.0.1:8000; /trpc is added.',
  })
}
