import { SurefootError, type Estimate, type ExperimentReport, type VariantReport } from '@surefoot/protocol'
import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { chromiumLaunchOptions, findChromium, isBrowserRequired } from '../../../scripts/chromium.ts'
import { buildPage, PAGE_FOLDER } from '../src/build-page.ts'
import { readPageFiles, type PageFiles } from '../src/page-files.ts'
import { startScripted, type Ending, type ScriptedDemo } from './scripted-demo.ts'

const canRun = findChromium() !== undefined || isBrowserRequired()

const around = (value: number, spread: number, count: number): Estimate => ({
  value,
  low: value - spread,
  high: value + spread,
  count,
})

const variant = (name: string, more: Partial<VariantReport> = {}): VariantReport => ({
  name,
  model: 'llama3.2',
  share: 0.5,
  sessions: 6,
  calls: 19,
  success: around(0.95, 0.04, 19),
  firstTokenMs: around(312, 20, 19),
  tokensPerSecond: around(40, 2, 19),
  answerTokens: around(71, 9, 19),
  feedback: around(0.75, 0.2, 8),
  shadows: { begun: 0, whole: 0, cancelled: 0 },
  ...more,
})

const VOICE: ExperimentReport = {
  name: 'voice',
  model: 'llama3.2',
  goal: 'feedback',
  variants: [variant('calm'), variant('lively', { feedback: undefined, calls: 0, sessions: 1 })],
  observed: 12,
}

describe.skipIf(!canRun)('how an answer came about, on the page', () => {
  let browser: Browser
  let files: PageFiles
  let page: Page
  let demo: ScriptedDemo
  let complaints: string[]

  beforeAll(async () => {
    await buildPage(() => {})
    files = readPageFiles(PAGE_FOLDER)
    browser = await chromium.launch(chromiumLaunchOptions())
  })
  afterAll(() => browser?.close())

  beforeEach(async () => {
    demo = await startScripted(files)
    await openPage(1280)
  })
  afterEach(async () => {
    await page.close()
    await demo[Symbol.asyncDispose]()
    if (complaints.length > 0) throw new Error(`The page complained: ${complaints.join('\n')}`)
  })
  const openPage = async (width: number): Promise<void> => {
    page = await browser.newPage({ viewport: { width, height: 900 } })
    page.setDefaultTimeout(5000)
    complaints = []
    page.on('pageerror', (error) => complaints.push(String(error)))
    await page.goto(demo.url)
    await page.getByText('Stand-in Ollama').waitFor()
  }
  const turn = (): ReturnType<Page['locator']> => page.getByTestId('turn').last()
  const askFor = async (ending: Ending, question = 'What is water?'): Promise<void> => {
    demo.ending = ending
    const before = await page.locator('.foot').count()
    await page.getByLabel('Your question').fill(question)
    await page.keyboard.press('Enter')
    await page.locator('.foot').nth(before).waitFor()
  }
  const stamp = (): Promise<string | null> => turn().locator('.stamp').textContent()
  const foot = (): Promise<string | null> => turn().locator('.foot b').textContent()
  const trail = async (): Promise<string | null> => {
    await turn().locator('summary').click()
    return await turn().locator('.trail').textContent()
  }

  it('the model: one word, and nothing that draws the eye', async () => {
    await askFor({})
    expect(await foot()).toBe('● stand-in')
    expect(await turn().locator('.stamp, .came-about, .rating').count()).toBe(0)
  })

  it('the cache: how old the answer is, and a way to have it anew', async () => {
    await askFor({ served: 'cache', cachedAtMs: Date.now() - 61_000, attempts: 0 })
    expect(await foot()).toMatch(/^↻ from the cache, 6\d s old$/)
    expect(await stamp()).toBe('↻ remembered answer')
    expect(await turn().getByTestId('came-about').textContent()).toMatch(
      /^The same question was answered 6\d s ago.*no model had to write it again\.$/,
    )
    expect(await trail()).toMatch(/from the cache, written 6\d s ago/)
    demo.ending = {}
    await page.getByRole('button', { name: 'Ask afresh' }).click()
    await page.locator('.foot').nth(1).waitFor()
    expect(demo.calls.map(({ cache }) => cache)).toEqual([true, undefined])
  })

  it('an older answer, because no model can answer', async () => {
    await askFor({ served: 'cache', reason: 'CANNOT_CONNECT', cachedAtMs: Date.now() - 7_200_500, attempts: 0 })
    expect(await stamp()).toBe('↻ older answer')
    expect(await turn().getByTestId('came-about').textContent()).toBe(
      'llama3.2 is out of reach, so this is the answer of 2 h ago to the same question.',
    )
    expect(await trail()).toContain('because of CANNOT_CONNECT')
  })

  it('another model: which one, and why', async () => {
    await askFor({ served: 'degraded', model: 'llama3.2:1b', reason: 'MODEL_FAILED', attempts: 4 })
    expect(await foot()).toBe('⇄ another model, llama3.2:1b')
    expect(await stamp()).toBe('⇄ answer of another model')
    expect(await turn().getByTestId('came-about').textContent()).toContain('llama3.2:1b answered in its place')
    expect(await trail()).toContain('another model answered, llama3.2:1b, because of MODEL_FAILED')
  })

  it('a fallback of the server: why, and a way to try again', async () => {
    const content = 'Please ask me later.'
    await askFor({
      served: 'fallback',
      reason: 'BREAKER_OPEN',
      message: { role: 'assistant', content },
      attempts: 0,
      backend: undefined,
    })
    expect(await foot()).toBe('✕ fallback')
    expect(await stamp()).toBe('✕ fallback reply, not from the model')
    expect(await turn().getByTestId('answer').textContent()).toBe(content)
    expect(await turn().locator('.trouble').textContent()).toContain('failed several times in a row')
    await page.getByRole('button', { name: 'Try again' }).waitFor()
  })

  it('a question that is too long: what it needs, what there is, and the mend', async () => {
    await askFor({})
    await askFor(
      new SurefootError({
        code: 'CONTEXT_OVERFLOW',
        message: 'The prompt needs about 5200 tokens; llama3.2 has room for 512.',
        hint: 'Shorten the conversation, or raise `options.num_ctx`.',
        neededTokens: 5200,
        availableTokens: 512,
      }),
      'and why?',
    )
    expect(await foot()).toBe('✕ no answer')
    expect(await turn().getByTestId('sizes').textContent()).toMatch(/^needs 5,200 tokens.*room for 512 tokens/)
    expect(await turn().locator('.trouble').textContent()).toContain('Shorten the conversation')
    demo.ending = {}
    await page.getByRole('button', { name: 'Ask without what was said before' }).click()
    await page.locator('.foot').nth(2).waitFor()
    expect(demo.calls.map(({ messages }) => messages)).toEqual([1, 3, 1])
  })

  it('the variant of an experiment, and thumbs that work by keyboard; the second one replaces the first', async () => {
    await askFor({ variant: 'voice/calm' })
    expect(await trail()).toContain('took part in an experiment: voice/calm')
    const good = page.getByRole('button', { name: 'Good answer', exact: true })
    const bad = page.getByRole('button', { name: 'Not a good answer' })
    expect(await turn().getByTestId('rating').textContent()).toContain('variant calm of the voice test')
    expect([await good.getAttribute('aria-pressed'), await bad.getAttribute('aria-pressed')]).toEqual([
      'false',
      'false',
    ])

    await good.focus()
    await page.keyboard.press('Enter')
    await turn().getByText('Thank you, it counts.').waitFor()
    expect(await good.getAttribute('aria-pressed')).toBe('true')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Space')
    await expect.poll(() => bad.getAttribute('aria-pressed')).toBe('true')
    expect(await good.getAttribute('aria-pressed')).toBe('false')
    await expect.poll(() => demo.judged.map(({ isGood }) => isGood)).toEqual([true, false])
    expect(new Set(demo.judged.map(({ runId }) => runId)).size).toBe(1)
  })

  it('that a judgement came too late, or did not arrive', async () => {
    await askFor({ variant: 'voice/calm' })
    demo.counts = false
    await page.getByRole('button', { name: 'Good answer', exact: true }).click()
    await turn().getByText('it does not count any more').waitFor()
    demo.counts = undefined
    const bad = page.getByRole('button', { name: 'Not a good answer' })
    await bad.click()
    await turn().getByText('It did not arrive').waitFor()
    expect(await bad.getAttribute('aria-pressed')).toBe('false')
  })

  it('the whole name of a variant that is named like its model', async () => {
    await askFor({ variant: 'voice/hf.co/teachers/calm:1b' })
    expect(await turn().getByTestId('rating').textContent()).toContain(
      'variant hf.co/teachers/calm:1b of the voice test',
    )
  })

  it('keeps one visitor with one variant, over a reload too', async () => {
    await askFor({})
    await page.reload()
    await askFor({})
    const keys = demo.calls.map(({ stickyKey }) => stickyKey)
    expect(keys[0]).toMatch(/^[\da-f]{32}$/)
    expect(keys[1]).toBe(keys[0])
  })

  it('counts the ways, names the ladder, and can be told to ask a model every time', async () => {
    expect(await page.getByTestId('answers-model').textContent()).toBe('9')
    await page.getByText('3 of 13 (23 %) came without asking a model.').waitFor()
    await page.getByText('4 answers kept, 6.0 KiB; 2 shared while it was being written.').waitFor()
    await page
      .getByText('When llama3.2 cannot answer: llama3.2:1b, then an older answer to the same question, then a fallback')
      .waitFor()
    await page.getByRole('switch', { name: 'Answer repeated questions from the cache' }).uncheck()
    await askFor({})
    expect(demo.calls.at(-1)?.cache).toBeUndefined()
  })

  it('has no switch where there is no cache', async () => {
    demo.info = { ...demo.info, hasCache: false, cache: undefined, ladder: { models: [], cache: false } }
    await page.getByText('When llama3.2 cannot answer: a fallback reply.').waitFor()
    expect(await page.getByRole('switch').count()).toBe(0)
  })

  it('shows an experiment with its numbers and their ranges, and the winner once there is one', async () => {
    demo.experiments = [VOICE]
    const card = page.getByTestId('experiment')
    await card.getByText('No winner yet (12 sessions)').waitFor()
    const rows = await card.locator('tbody tr').allTextContents()
    expect(rows).toEqual([
      'share50 %50 %',
      'calls19 by 6 visitors0 by 1 visitor',
      'answered95 % 91–9995 % 91–99',
      'found good75 % 55–95–',
      'first token312 ms 292–332312 ms 292–332',
      'tokens/s40 38–4240 38–42',
      'length71 tokens 62–8071 tokens 62–80',
    ])
    const shadows = { begun: 9, whole: 7, cancelled: 2 }
    demo.experiments = [{ ...VOICE, winner: 'calm', observed: 800, variants: [variant('calm', { shadows })] }]
    await card.getByText('Winner: calm (800 sessions)').waitFor()
    expect(await card.locator('tbody tr').last().textContent()).toBe('shadows7 of 9 whole 2 cancelled')
  })

  it('fits a phone, with everything large enough for fingers', async () => {
    await page.close()
    page = await browser.newPage({ viewport: { width: 375, height: 812 }, hasTouch: true, isMobile: true })
    page.setDefaultTimeout(5000)
    demo.experiments = [VOICE]
    await page.goto(demo.url)
    const overflow = (): Promise<unknown> => page.evaluate('document.documentElement.scrollWidth - innerWidth')
    const tooLow = (selector: string): Promise<string[]> =>
      page.locator(selector).evaluateAll((all) => {
        const shown = all.filter((element) => element.getClientRects().length > 0)
        return shown.filter((one) => one.getBoundingClientRect().height < 44).map((one) => one.textContent)
      })
    await askFor({ served: 'degraded', model: 'llama3.2:1b', reason: 'MODEL_FAILED', variant: 'voice/calm' })
    expect(await overflow()).toBe(0)
    expect(await tooLow('.rating button')).toEqual([])
    await page.getByRole('button', { name: /Engine room/ }).click()
    await page.getByTestId('experiment').waitFor()
    expect(await overflow()).toBe(0)
    expect(await tooLow('.switch')).toEqual([])
    const table = page.locator('.variants')
    expect(await table.evaluate((region) => region.scrollWidth - region.clientWidth)).toBe(0)
  })
})
