import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { chromiumLaunchOptions, findChromium, isBrowserRequired } from '../../../scripts/chromium.ts'
import { buildPage, PAGE_FOLDER } from '../src/build-page.ts'
import { scriptedAnswer, shorterAnswer } from '../src/mentor/scripted-answers.ts'
import { readPageFiles, type PageFiles } from '../src/page-files.ts'
import type { BreakMode } from '../src/shared/demo-api.ts'
import type { DemoOptions } from '../src/start-demo.ts'
import { startOnOllama, startOnStandIns } from './start.ts'

/** Without a browser the run's last lines say how to get one. */
const canRun = findChromium() !== undefined || isBrowserRequired()

const SETTINGS = { logLevel: 'silent', timeoutMs: 400, waitForReadyMs: 300, retryDelayMs: 10 } as const

describe.skipIf(!canRun)('the page', () => {
  let browser: Browser
  let files: PageFiles
  let page: Page
  let complaints: string[]
  // Closed after the page, which would complain that its server is gone.
  let opened: AsyncDisposableStack

  beforeAll(async () => {
    await buildPage(() => {})
    files = readPageFiles(PAGE_FOLDER)
    browser = await chromium.launch(chromiumLaunchOptions())
  })
  afterAll(() => browser?.close())

  beforeEach(async () => {
    opened = new AsyncDisposableStack()
    await openPage({ viewport: { width: 1280, height: 900 } })
  })
  const openPage = async (options: BrowserContextOptions): Promise<void> => {
    page = await browser.newPage(options)
    page.setDefaultTimeout(5000)
    complaints = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(String(error)))
  }
  /** A phone: narrow, and pointed at with fingers. */
  const takePhone = async (): Promise<void> => {
    await page.close()
    await openPage({ viewport: { width: 375, height: 812 }, hasTouch: true, isMobile: true })
  }
  afterEach(async () => {
    await page.close()
    await opened.disposeAsync()
    if (complaints.length > 0) throw new Error(`The page complained: ${complaints.join('\n')}`)
  })

  const start = async (options: Partial<DemoOptions> = {}): Promise<void> => {
    const demo = opened.use(await startOnStandIns({ page: files, config: SETTINGS, ...options }))
    await page.goto(demo.url)
  }
  /** Stops the page's clock soon: it goes on while it is told when, so that a moment may be over by then. */
  const pauseClock = async (): Promise<void> => {
    for (let aheadMs = 10; ; aheadMs *= 2) {
      const atMs = await page.evaluate((ms) => Date.now() + ms, aheadMs)
      try {
        return await page.clock.pauseAt(atMs)
      } catch (late) {
        if (aheadMs > 500) throw late
      }
    }
  }
  const ask = (question: string): Promise<void> => page.getByRole('button', { name: question }).click()
  const turn = (): ReturnType<Page['locator']> => page.getByTestId('turn').last()
  const untilTurnIs = (state: string): Promise<void> => page.locator(`.turn[data-state=${state}]`).last().waitFor()
  const breakThings = async (mode: BreakMode): Promise<void> => {
    await Promise.all([
      page.waitForResponse((response) => response.url().endsWith('/demo/fault')),
      page.locator(`input[name=break][value=${mode}]`).check(),
    ])
  }

  it('says who answers, takes a class and shows the whole answer with how it came about', async () => {
    await start()
    await page.getByText('Stand-in Ollama').waitFor()
    await page.locator('.stairs label', { hasText: '9' }).click()
    await page.getByText('Class 9 with Dr. Meera Nair').waitFor()
    await ask('What is gravity?')
    await untilTurnIs('whole')
    expect(await turn().getByTestId('answer').textContent()).toBe(scriptedAnswer('What is gravity?'))
    expect(await turn().locator('summary').textContent()).toMatch(
      /^● stand-in 1 attempt 127\.0\.0\.1:\d+ first token .*tokens\/s/,
    )
  })

  it('asks what is typed, by keyboard alone, and is honest about what it cannot answer', async () => {
    await start()
    await page.getByLabel('Your question').fill('Who are you?')
    await page.keyboard.press('Enter')
    await untilTurnIs('whole')
    expect(await turn().textContent()).toContain('there is no model behind me')
    expect(await turn().locator('.text code').allTextContents()).toEqual(['ollama serve', 'ollama pull llama3.2'])
    expect(await turn().textContent()).not.toContain('`')
    expect(await page.evaluate('document.activeElement.id')).toBe('question')
  })

  it('tells a screen reader the answer once, and never token by token', async () => {
    await start()
    await ask('What is water?')
    await untilTurnIs('whole')
    const live = page.locator('.notebook [role=status]')
    await expect.poll(() => live.textContent()).toBe(scriptedAnswer('What is water?'))
    expect(await page.locator('.notebook .turn [aria-live], .notebook .turn [role=status]').count()).toBe(0)
  })

  it('stops an answer and the generation behind it', async () => {
    const parts = opened.use(await startOnOllama({ page: files, config: SETTINGS }, { tokensPerSecond: 20 }))
    await page.goto(parts.demo.url)
    await ask('What is water?')
    await untilTurnIs('answering')
    await page.getByRole('button', { name: 'Stop' }).click()
    await untilTurnIs('stopped')
    await expect.poll(() => parts.ollama.counts.canceled).toBe(1)
    expect(await turn().textContent()).toContain('… stopped')
  })

  it('answers when every second request fails, and says how many attempts it took', async () => {
    await start()
    await breakThings('every-second')
    for (const [index, question] of ['What is water?', 'How do plants grow?', 'How do birds fly?'].entries()) {
      await ask(question)
      await page.locator('.turn[data-state=whole]').nth(index).waitFor()
      expect(await turn().getByTestId('answer').textContent()).toBe(scriptedAnswer(question))
    }
    expect(await page.locator('.foot summary').allTextContents()).toContainEqual(expect.stringMatching(/[23] attempts/))
  })

  it('answers when a backend hangs', async () => {
    await start()
    await breakThings('hang')
    for (const [index, question] of ['What is water?', 'How do plants grow?'].entries()) {
      await ask(question)
      await page.locator('.turn[data-state=whole]').nth(index).waitFor()
      expect(await turn().getByTestId('answer').textContent()).toBe(scriptedAnswer(question))
    }
  })

  it('goes on with a cut answer on another backend, and shows where', async () => {
    await start()
    await breakThings('cut')
    await ask('What is water?')
    await untilTurnIs('whole')
    expect(await turn().getByTestId('answer').textContent()).toBe(scriptedAnswer('What is water?'))
    expect(await turn().getByTestId('mended').textContent()).toContain(
      'went on from where it broke, on another backend',
    )
    expect(await turn().getByTestId('answer').locator('.seam').count()).toBe(1)
  })

  it('shows an answer that was cut as broken, with what arrived and a way to ask again', async () => {
    await start({ config: { ...SETTINGS, resume: false } })
    await breakThings('cut')
    await ask('What is water?')
    await untilTurnIs('broken')
    const text = await turn().textContent()
    expect(text).toContain('the answer broke off here')
    expect(text).toContain('Water is something you meet')
    await breakThings('none')
    await page.getByRole('button', { name: 'Try again' }).click()
    await untilTurnIs('whole')
  })

  it('marks the fallback reply when nothing answers, with what to do, and shows the open breaker', async () => {
    await start()
    await breakThings('refuse')
    await ask('What is water?')
    await turn().getByText('fallback reply, not from the model').waitFor({ timeout: 15_000 })
    expect(await turn().textContent()).toMatch(/I'm having trouble connecting.*ollama serve/)
    expect(await turn().locator('.trouble strong').textContent()).toMatch(/^Something is broken on purpose: press/)
    expect(await turn().locator('.trouble small').textContent()).toMatch(
      /Circuit breaker is OPEN|Cannot connect to Ollama/,
    )
    // With other rungs to go to, a question gives up before it alone has opened a breaker.
    const open = page.locator('[data-testid=breaker][data-state=open]').first()
    for (let more = 1; more <= 3 && !(await open.isVisible()); more++) {
      await page.getByRole('button', { name: 'Try again' }).last().click()
      await page.locator('.stamp').nth(more).waitFor({ timeout: 15_000 })
    }
    await open.waitFor()
    await page.locator('[data-testid=backend][data-state=down]').first().waitFor()

    await breakThings('none')
    // Half-open now: it is a question that closes the breaker.
    await page.locator('[data-testid=backend]:not([data-state=down])').first().waitFor({ timeout: 10_000 })
    await page.getByRole('button', { name: 'Try again' }).last().click()
    await expect.poll(() => page.locator('.turn[data-state=whole] [data-served=stand-in]').count()).toBe(1)
  })

  it('answers by a smaller model when the one it asks does not fit into memory, and says so', async () => {
    await start()
    await breakThings('no-memory')
    await page.getByText('does not fit into memory any more, on no backend').waitFor()
    await ask('What is water?')
    await untilTurnIs('whole')
    expect(await turn().getByTestId('answer').textContent()).toBe(shorterAnswer('What is water?'))
    expect(await turn().locator('.foot b').textContent()).toBe('⇄ another model, llama3.2:1b')
    expect(await turn().getByTestId('came-about').textContent()).toBe(
      'llama3.2 cannot run now (not enough memory, for example), so llama3.2:1b answered in its place.',
    )
    await expect.poll(() => page.getByTestId('answers-degraded').textContent()).toBe('1')
    await breakThings('none')
    await expect
      .poll(
        async () => {
          await page.getByLabel('Your question').fill('How are you?')
          await page.keyboard.press('Enter')
          const whole = page.locator('.turn[data-state=whole]')
          await whole.nth((await page.getByTestId('turn').count()) - 1).waitFor()
          return await turn().locator('.foot b').textContent()
        },
        { timeout: 10_000 },
      )
      .toBe('● stand-in')
  })

  it('counts a thumb for the variant that answered, and shows it in the engine room', async () => {
    await start()
    await ask('What is water?')
    await untilTurnIs('whole')
    const says = (await turn().getByTestId('rating').locator('small').textContent()) ?? ''
    const [, arm] = /^variant (calm|lively) of the voice test$/.exec(says) ?? []
    await page.getByRole('button', { name: 'Good answer', exact: true }).click()
    await turn().getByText('Thank you, it counts.').waitFor()
    const card = page.getByTestId('experiment')
    await card.getByText('No winner yet').waitFor()
    const at = (await card.locator('thead th').allTextContents()).indexOf(arm ?? '')
    await expect
      .poll(() => card.locator('tbody tr', { hasText: 'found good' }).locator('td').nth(at).textContent())
      .toMatch(/^100 % \d+–100$/)
  })

  it('answers a repeated question from the cache, says how old it is, and asks a model when told to', async () => {
    await start()
    await ask('What is water?')
    await untilTurnIs('whole')
    await page.reload()
    await ask('What is water?')
    await turn()
      .locator('.foot b', { hasText: /^↻ from the cache, (under )?\d+ s old$/ })
      .waitFor()
    expect(await turn().getByTestId('answer').textContent()).toBe(scriptedAnswer('What is water?'))
    await expect.poll(() => page.getByTestId('answers-cache').textContent()).toBe('1')
    await page.getByText(/^1 answer kept, \d+\.\d KiB\.$/).waitFor()
    await page.getByRole('button', { name: 'Ask afresh' }).click()
    await turn().locator('[data-served=stand-in]').waitFor()
    await page.getByRole('switch').uncheck()
    await ask('What is water?')
    await page.locator('[data-served=stand-in]').nth(1).waitFor()
  })

  it('gives an older answer when nothing answers any more, and says why', async () => {
    await start()
    await page.getByRole('switch').uncheck()
    await ask('What is water?')
    await untilTurnIs('whole')
    await breakThings('refuse')
    await ask('What is water?')
    await turn().locator('.stamp', { hasText: 'older answer' }).waitFor({ timeout: 15_000 })
    expect(await turn().getByTestId('answer').textContent()).toBe(scriptedAnswer('What is water?'))
    expect(await turn().getByTestId('came-about').textContent()).toMatch(
      /^llama3\.2 (is out of reach|failed several times.*), so this is the answer of (under )?\d+ s ago to the same question\.$/,
    )
  })

  it('does not cut a question that is too long, and says what it needs, what there is and what to do', async () => {
    const config = { ...SETTINGS, maxContext: 0 }
    const parts = opened.use(await startOnOllama({ page: files, config }, { contextLength: 256 }))
    await page.goto(parts.demo.url)
    await page.getByLabel('Your question').fill('Why is the sea salt? '.repeat(90))
    await page.keyboard.press('Enter')
    await untilTurnIs('failed')
    expect(await turn().getByTestId('sizes').textContent()).toMatch(/^needs [\d,]+ tokens\s*room for 256 tokens/)
    expect(await turn().locator('.trouble').textContent()).toMatch(/That is too much to read at once.*num_ctx/)
    expect(await turn().locator('.foot b').textContent()).toBe('✕ no answer')
  })

  it('drains a backend and puts it back, and says so on its card', async () => {
    await start()
    const card = page.getByTestId('backend').first()
    await card.getByRole('button', { name: /^Drain / }).click()
    await page.locator('[data-testid=backend][data-state=draining]').waitFor()
    await card.getByText('No new question goes there').waitFor()
    await card.getByRole('button', { name: /^Put back / }).click()
    await page.locator('[data-testid=backend][data-state=draining]').waitFor({ state: 'detached' })
  })

  it('works where the browser keeps nothing for it, and where a stream cannot be walked', async () => {
    await page.addInitScript(() => {
      const refuse = (): never => {
        throw new DOMException('The operation is insecure.', 'SecurityError')
      }
      Object.defineProperty(window, 'localStorage', { get: refuse })
      Object.defineProperty(window, 'sessionStorage', { get: refuse })
      // As in Safari.
      Reflect.deleteProperty(ReadableStream.prototype, Symbol.asyncIterator)
      Reflect.deleteProperty(ReadableStream.prototype, 'values')
    })
    await start()
    await page.getByRole('button', { name: /^Colours/ }).click()
    await ask('What is water?')
    await untilTurnIs('whole')
    await page.getByRole('button', { name: 'Run the test' }).click()
    await page.locator('.reliability[data-phase=done]').waitFor({ timeout: 15_000 })
  })

  it('shows both success rates of the reliability test', async () => {
    await start()
    const says = page.locator('.reliability')
    await says.getByText('press Every 2nd fails first').waitFor()
    await breakThings('every-second')
    await says.getByText('press Every 2nd fails first').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Run the test' }).click()
    await page.locator('.reliability[data-phase=done]').waitFor({ timeout: 15_000 })
    expect(await page.getByTestId('rate-straight').textContent()).toBe('50 %')
    expect(await page.getByTestId('rate-surefoot').textContent()).toBe('100 %')
    expect(await page.locator('.dots [data-state=failed]').count()).toBe(15)
  })

  it.each(['a desktop', 'a phone'])('keeps to the window of %s however long the conversation grows', async (device) => {
    if (device === 'a phone') await takePhone()
    await start()
    for (let count = 1; count <= 5; count++) {
      await ask('What is water?')
      await page
        .locator('.foot')
        .nth(count - 1)
        .waitFor()
    }
    expect(await page.evaluate('document.documentElement.scrollHeight - innerHeight')).toBe(0)

    await page.locator('.foot summary').last().click()
    const bottomOf = (selector: string): Promise<number> =>
      page
        .locator(selector)
        .last()
        .evaluate((element) => Math.round(element.getBoundingClientRect().bottom))
    const notebookEnds = await bottomOf('.notebook')
    await expect.poll(() => bottomOf('.trail')).toBeLessThanOrEqual(notebookEnds)
  })

  it('is fit for fingers: no keyboard over the answer, nothing too small, the foot line in one', async () => {
    await takePhone()
    await start()
    await ask('What is water?')
    await untilTurnIs('whole')
    expect(await page.evaluate('document.activeElement.tagName')).not.toBe('TEXTAREA')
    const tooLow = (selector: string): Promise<string[]> =>
      page.locator(selector).evaluateAll((all) => {
        const shown = all.filter((element) => element.getClientRects().length > 0)
        const low = shown.filter((element) => element.getBoundingClientRect().height < 44)
        return low.map((element) => element.textContent)
      })
    expect(await tooLow('button, summary, textarea, .stairs label')).toEqual([])
    const tops = await page
      .locator('.foot summary > *')
      .evaluateAll((all) =>
        all.filter((one) => one.getClientRects().length > 0).map((one) => one.getBoundingClientRect().top),
      )
    expect(new Set(tops).size).toBe(1)

    await page.getByRole('button', { name: /Engine room/ }).click()
    expect(await tooLow('button, .break-choices label')).toEqual([])
    await breakThings('refuse')
    await page.getByRole('button', { name: /Back to class/ }).click()
    await ask('How do birds fly?')
    await turn().getByText('fallback reply').waitFor({ timeout: 15_000 })
    expect(
      await turn()
        .locator('.stamp')
        .evaluate((stamp) => stamp.getClientRects().length),
    ).toBe(1)
    expect(await tooLow('.again')).toEqual([])
  })

  it('measures both sides of the reliability test alike on a phone', async () => {
    await takePhone()
    await start()
    await page.getByRole('button', { name: /Engine room/ }).click()
    await page.getByRole('button', { name: 'Run the test' }).click()
    await page.locator('.reliability[data-phase=done]').waitFor({ timeout: 15_000 })
    for (const selector of ['.rate-of', '.dots li']) {
      const sizes = await page.locator(selector).evaluateAll((all) =>
        all.map((one) => {
          const { width, height } = one.getBoundingClientRect()
          return `${Math.round(width)} x ${Math.round(height)}`
        }),
      )
      expect(new Set(sizes).size).toBe(1)
    }
  })

  it('shows a free slot as soon as an answer is stopped, not at the next look', async () => {
    const parts = opened.use(await startOnOllama({ page: files, config: SETTINGS }, { tokensPerSecond: 20 }))
    await page.clock.install()
    await page.goto(parts.demo.url)
    await ask('What is water?')
    await page.getByText('1 of 1 slot in use').waitFor()
    // From here on no look is due by itself.
    await pauseClock()
    await page.getByRole('button', { name: 'Stop' }).click()
    await untilTurnIs('stopped')
    await expect.poll(() => parts.ollama.counts.canceled).toBe(1)
    await page.clock.runFor(200)
    await page.getByText('0 of 1 slot in use').waitFor()
  })

  it('says of a real Ollama what is so now', async () => {
    await takePhone()
    const parts = opened.use(await startOnOllama({ page: files, config: SETTINGS }))
    await page.goto(parts.demo.url)
    await ask('What is water?')
    await untilTurnIs('whole')
    const toEnd = (): Promise<number> =>
      page.locator('.notebook').evaluate((page) => page.scrollHeight - page.clientHeight - page.scrollTop)
    const who = page.getByTestId('who-answers')
    await who.getByText('Real Ollama').waitFor()
    await parts.ollama.fault({ kind: 'refuse' })
    await who.getByText('No Ollama answers').waitFor({ timeout: 10_000 })
    expect(await who.textContent()).toContain(`at ${parts.ollama.url}`)
    // The longer note has taken room from the notebook, which still shows its end.
    await expect.poll(toEnd).toBeLessThan(1)
    await parts.ollama.fault(undefined)
    await who.getByText('Real Ollama').waitFor({ timeout: 10_000 })
    expect(await who.textContent()).not.toContain('ollama serve')
  })

  it.each(['light', 'dark'] as const)('fits a phone in the %s scheme, and leads to the engine room', async (scheme) => {
    await page.setViewportSize({ width: 375, height: 812 })
    await page.emulateMedia({ colorScheme: scheme })
    await start()
    const overflow = (): Promise<unknown> => page.evaluate('document.documentElement.scrollWidth - innerWidth')
    await ask('What is water?')
    await untilTurnIs('whole')
    expect(await overflow()).toBe(0)
    await page.getByRole('button', { name: /Engine room/ }).click()
    await page.getByRole('heading', { name: 'Reliability test' }).waitFor()
    expect(await overflow()).toBe(0)
    await page.getByRole('button', { name: /Back to class/ }).click()
    await page.getByLabel('Your question').waitFor()
  })
})
