import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { findChromium, isBrowserRequired } from './chromium.ts'

test('CHROMIUM_PATH goes first', () => {
  expect(findChromium({ CHROMIUM_PATH: process.execPath, PATH: '/usr/bin' })).toBe(process.execPath)
})

test('a CHROMIUM_PATH that cannot be run is not replaced by another browser', () => {
  expect(findChromium({ CHROMIUM_PATH: '/no/such/chromium', PATH: '/usr/bin' })).toBeUndefined()
  expect(findChromium({ CHROMIUM_PATH: dirname(import.meta.filename) + '/chromium.ts' })).toBeUndefined()
})

test('a browser is required only where it is asked for', () => {
  expect(isBrowserRequired({})).toBe(false)
  expect(isBrowserRequired({ SUREFOOT_REQUIRE_BROWSER: '1' })).toBe(true)
})
