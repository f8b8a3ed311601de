import { shownUrl } from './shown-url.ts'

/** What the demo will chat with. */
export type ChosenBackend =
  | {
      readonly kind: 'real'
      readonly urls: readonly string[]
      readonly model: string
      readonly note?: string
      /** What was missing at the start and may come at any time: for the terminal, the page looks for itself. */
      readonly missing?: string
    }
  | { readonly kind: 'stand-in'; readonly model: string; readonly note?: string }

/** What the user wants: whatever there is, only a real Ollama, or the stand-in. */
export type BackendWish = 'auto' | 'real' | 'stand-in'

/** What the choice depends on. */
export interface BackendQuestion {
  readonly urls: readonly string[]
  readonly model: string
  readonly wish?: BackendWish
  /** How long an Ollama may take to answer, in milliseconds. @default 1000 */
  readonly timeoutMs?: number
}

interface InstalledModel {
  readonly name: string
  readonly sizeBytes: number
  readonly chats: boolean
}

/** Takes the real Ollama where one answers and has a model that can chat, else the stand-in; the note says why. */
export async function chooseBackend(question: BackendQuestion): Promise<ChosenBackend> {
  const { urls, model, wish = 'auto', timeoutMs = 1000 } = question
  if (wish === 'stand-in') return { kind: 'stand-in', model }
  const asked = await Promise.all(urls.map(async (url) => ({ url, installed: await installedModels(url, timeoutMs) })))
  const answering = asked.filter((ollama) => ollama.installed !== undefined)

  const having = answering.filter((ollama) => ollama.installed?.some((installed) => isSameModel(installed.name, model)))
  if (having.length > 0) return { kind: 'real', urls: having.map((ollama) => ollama.url), model }

  const other = pickModel(
    answering.flatMap((ollama) => ollama.installed ?? []),
    model,
  )
  if (other !== undefined) {
    const owners = answering.filter((ollama) => ollama.installed?.some((installed) => installed.name === other))
    const note = `Model ${model} is not installed there, so ${other} answers. For the other one run: ollama pull ${model}`
    return { kind: 'real', urls: owners.map((ollama) => ollama.url), model: other, note }
  }

  const where = urls.map(shownUrl).join(' or ')
  if (wish === 'real') {
    const missing =
      answering.length > 0
        ? `The Ollama at ${where} has no model yet. Run: ollama pull ${model}`
        : `No Ollama answers at ${where} yet. Run: ollama serve (or correct OLLAMA_BASE_URL and start again)`
    return { kind: 'real', urls, model, missing }
  }
  // In the past tense, which stays true: the stand-in goes on answering when an Ollama comes.
  const note =
    answering.length > 0
      ? `At the start the Ollama at ${where} had no model. Run: ollama pull ${model}, then start the demo again.`
      : `At the start no Ollama answered at ${where}. Run: ollama serve (or correct OLLAMA_BASE_URL), then start the demo again.`
  return { kind: 'stand-in', model, note }
}

/** The installed models, or `undefined` where no Ollama answers in time. */
async function installedModels(url: string, timeoutMs: number): Promise<InstalledModel[] | undefined> {
  try {
    const response = await fetch(`${shownUrl(url)}/api/tags`, {
      signal: AbortSignal.timeout(timeoutMs),
      headers: authorization(url),
    })
    const body = (await response.json()) as { models?: unknown }
    if (!response.ok || !Array.isArray(body.models)) return undefined
    return (body.models as Record<string, unknown>[]).map((model) => ({
      name: String(model['name']),
      sizeBytes: Number(model['size'] ?? 0),
      // Versions of Ollama before 0.24 do not list capabilities; there the name has to do.
      chats: Array.isArray(model['capabilities'])
        ? model['capabilities'].includes('completion')
        : !/embed|bge|minilm/i.test(String(model['name'])),
    }))
  } catch {
    return undefined
  }
}

/** A relative of the wanted model if there is one, else the smallest that can chat. */
function pickModel(installed: readonly InstalledModel[], wanted: string): string | undefined {
  const family = wanted.split(':')[0]
  return installed
    .filter((model) => model.chats)
    .toSorted(
      (a, b) =>
        Number(b.name.split(':')[0] === family) - Number(a.name.split(':')[0] === family) || a.sizeBytes - b.sizeBytes,
    )[0]?.name
}

/** Whether two names stand for one model: without a tag it is `latest`. */
export function isSameModel(installed: string, wanted: string): boolean {
  const full = (name: string): string => (/:[^/]*$/.test(name) ? name : `${name}:latest`)
  return full(installed).toLowerCase() === full(wanted).toLowerCase()
}

/** The header that the user name and password of an address stand for; none without. */
export function authorization(url: string): Record<string, string> {
  const { username, password } = new URL(url)
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}
