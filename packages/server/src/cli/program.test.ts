import { SETTINGS } from '@surefoot/core'
import { CommanderError } from 'commander'
import { expect, test } from 'vitest'

import { createFakeEnvironment } from '../../test/fake-environment.ts'
import { version } from '../version.ts'
import { createProgram } from './program.ts'

/** What a command line that never gets to its command prints. */
async function printed(...args: string[]): Promise<string> {
  let text = ''
  const program = createProgram(createFakeEnvironment(), () => {})
  for (const command of [program, ...program.commands]) {
    command.exitOverride()
    command.configureOutput({ writeOut: (part) => (text += part), writeErr: (part) => (text += part) })
  }
  await expect(program.parseAsync(args, { from: 'user' })).rejects.toBeInstanceOf(CommanderError)
  return text
}

test('knows its version', async () => {
  expect(await printed('--version')).toBe(`${version}\n`)
})

test('every command helps with examples', async () => {
  expect(await printed('serve', '--help')).toContain('$ surefoot serve --backend http://gpu-a:11434')
  expect(await printed('check', '--help')).toContain('$ surefoot check --url http://127.0.0.1:8000')
})

test('serve says where the settings are that have no option', async () => {
  const help = await printed('serve', '--help')
  const names = SETTINGS.flatMap(({ env }) => (env?.startsWith('SUREFOOT_') === true ? [env] : []))
  expect(names.filter((name) => !help.includes(name))).toEqual([])
  expect(help).toContain('docs/reference/configuration.md')
})

test.each([
  ['serve', '--port', '99999', 'It must be a number from 0 to 65535.'],
  ['serve', '--port', '', 'It must be a number from 0 to 65535.'],
  ['serve', '--port', '1e3', 'It must be a number from 0 to 65535.'],
  ['serve', '--port', '0x1F90', 'It must be a number from 0 to 65535.'],
  ['check', '--sequential', 'x', 'It must be a number from 1 to 10000.'],
  ['check', '--concurrent', '0', 'It must be a number from 1 to 10000.'],
])('%s %s %s is refused', async (command, option, value, sentence) => {
  expect(await printed(command, option, value)).toContain(sentence)
})
