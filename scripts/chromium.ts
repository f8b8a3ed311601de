import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** How to get a browser, in one line: what a run without one prints at its end. */
export const NO_CHROMIUM =
  'Browser tests not run: no Chromium found. Install it (Debian: apt-get install chromium) or set CHROMIUM_PATH.'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/**
 * The path of a Chromium or Chrome on this machine, or `undefined`.
 *
 * `CHROMIUM_PATH` goes first and is not second-guessed: where it names nothing that can be run, there is no Chromium.
 */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env.CHROMIUM_PATH) return isExecutable(env.CHROMIUM_PATH) ? env.CHROMIUM_PATH : undefined
  const onPath = (env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  return [...onPath, ...PLACES].find(isExecutable)
}

/** How every browser of the tests is started: the system's Chromium, headless, with nothing that calls out. */
export interface ChromiumLaunchOptions {
  executablePath?: string
  headless: true
  args: string[]
}

/** Options for Playwright's `chromium.launch()`; `executablePath` is missing where there is no Chromium. */
export function chromiumLaunchOptions(): ChromiumLaunchOptions {
  const executablePath = findChromium()
  return {
    ...(executablePath === undefined ? {} : { executablePath }),
    headless: true,
    // In a container there is no user namespace for the sandbox, no GPU, and often no way out for QUIC.
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  }
}

/** Whether a missing browser is a failure (`SUREFOOT_REQUIRE_BROWSER=1`, as in CI) and not just a line of text. */
export function isBrowserRequired(env: NodeJS.ProcessEnv = process.env): boolean {
  return env.SUREFOOT_REQUIRE_BROWSER === '1'
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
