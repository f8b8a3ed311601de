import type { LoadedModelInfo } from '@surefoot/protocol'
import { z } from 'zod'

/** `/api/version`, `/api/tags` and `/api/ps`, as far as they are read. */
export const versionSchema: z.ZodType<{ version: string }> = z.object({ version: z.string() })

/** One model of `/api/tags`. */
export interface TaggedModel {
  readonly name: string
  readonly digest: string
  readonly size: number
  readonly modified_at: string
  readonly details?: Record<string, unknown> | undefined
}

export const tagsSchema: z.ZodType<{ models: TaggedModel[] }> = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      digest: z.string(),
      size: z.number(),
      modified_at: z.string(),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
})

/** One model of `/api/ps`. */
export interface LoadedModel {
  readonly name: string
  /** Of two tags of one digest only one is listed. */
  readonly digest?: string | undefined
  readonly expires_at?: string | undefined
  /** Bytes in memory, and how many of them are the GPU's. */
  readonly size?: number | undefined
  readonly size_vram?: number | undefined
  /** Tokens of context that it was loaded with; since Ollama 0.9.7. */
  readonly context_length?: number | undefined
}

export const psSchema: z.ZodType<{ models: LoadedModel[] }> = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      digest: z.string().optional(),
      expires_at: z.string().optional(),
      size: z.number().optional(),
      size_vram: z.number().optional(),
      context_length: z.number().optional(),
    }),
  ),
})

/** In the words of a health report. */
export function loadedModelInfo({ name, size, size_vram, expires_at }: LoadedModel): LoadedModelInfo {
  return {
    name,
    ...(size !== undefined && { sizeBytes: size }),
    ...(size_vram !== undefined && { vramBytes: size_vram }),
    ...(expires_at !== undefined && { expiresAt: expires_at }),
  }
}

/**
 * A model has one name for queues, slots and memory: Ollama completes a name without a tag with `:latest`, and one without a
 * place with its own library, and lists it by the shortest form.
 */
export function canonicalModel(name: string): string {
  const short = name.replace(/^(?:registry\.ollama\.ai\/)?library\//, '')
  return short.endsWith(':latest') ? short.slice(0, -':latest'.length) : short
}

/** It runs elsewhere, behind this Ollama (F14): it is never in its memory, and nothing has to be loaded. */
export function isCloudModel(name: string): boolean {
  return /[:-]cloud$/.test(name)
}
