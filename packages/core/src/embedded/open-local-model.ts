import { closeSync, openSync, readSync } from 'node:fs'

import { SurefootError } from '@surefoot/protocol'

import { requirePeer } from '../optional-peer.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { EmbeddedModel } from './embedded-model.ts'
import type { LoadEmbedded } from './engine.ts'
import { PACKAGE, loadNodeLlamaCpp } from './node-llama-cpp.ts'

/** The first bytes of every GGUF file: its name, then version, number of tensors and number of entries, little-endian. */
const MAGIC = 'GGUF'
const HEADER_BYTES = 24
/** What is more than this is no number of a model: some damaged files are read for ever. */
const MOST_OF_ANYTHING = 1_000_000

/**
 * The model of the setting `localModel`. Nothing is loaded before a call needs it, but what would then be missing is said
 * now.
 *
 * @param load in the place of the package `node-llama-cpp`.
 * @throws SurefootError `INVALID_CONFIG` when there is no such file, or the package is not installed.
 */
export function openLocalModel(path: string, runtime: Runtime, load?: LoadEmbedded): EmbeddedModel {
  const problem = problemOf(path)
  if (problem !== undefined) {
    throw new SurefootError({
      code: 'INVALID_CONFIG',
      message: `localModel must be the path of a GGUF file, but ${path} ${problem}.`,
      hint: 'Set `localModel` (SUREFOOT_LOCAL_MODEL) to a GGUF file, or leave it out.',
    })
  }
  if (load === undefined) requirePeer(PACKAGE, 'localModel')
  return new EmbeddedModel(path, load ?? loadNodeLlamaCpp, runtime)
}

function problemOf(path: string): string | undefined {
  try {
    const file = openSync(path, 'r')
    try {
      const header = Buffer.alloc(HEADER_BYTES)
      const bytes = readSync(file, header)
      return bytes === HEADER_BYTES && isHeader(header) ? undefined : 'is none'
    } finally {
      closeSync(file)
    }
  } catch {
    return 'cannot be read'
  }
}

function isHeader(header: Buffer): boolean {
  const numbers = [header.readUInt32LE(4), header.readBigUInt64LE(8), header.readBigUInt64LE(16)]
  return header.toString('latin1', 0, MAGIC.length) === MAGIC && numbers.every((number) => number <= MOST_OF_ANYTHING)
}
