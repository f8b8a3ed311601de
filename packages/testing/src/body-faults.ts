import type { ServerResponse } from 'node:http'
import type { Fault } from './fault.ts'
import { pause, untilAborted } from './pause.ts'
import { resetSocket } from './reset-socket.ts'

/**
 * The faults in the middle of a body: dripping it out, and the RST at byte k. `undefined` when the fault is another one
 * and the body is written as it is.
 */
export function createPieceWriter(
  response: ServerResponse,
  fault: Fault | undefined,
  signal: AbortSignal,
  framed: (body: Buffer) => Buffer | string,
): ((body: string) => Promise<void>) | undefined {
  switch (fault?.kind) {
    case 'drip':
      return async (body) => {
        const bytes = Buffer.from(body)
        const size = fault.pieceBytes ?? 1
        for (let at = 0; at < bytes.length; at += size) {
          response.write(framed(bytes.subarray(at, at + size)))
          await pause(fault.everyMs ?? 1, signal)
        }
      }
    case 'reset-at-byte': {
      let left = fault.atByte ?? 64
      return async (body) => {
        const bytes = Buffer.from(body)
        if (bytes.length < left) {
          left -= bytes.length
          response.write(framed(bytes))
          return
        }
        if (left > 0)
          await new Promise<void>((resolve) => response.write(framed(bytes.subarray(0, left)), () => resolve()))
        else response.flushHeaders()
        // One turn lets the bytes reach the client before the RST overtakes them.
        await pause(0, signal)
        resetSocket(response.socket)
        await untilAborted(signal)
      }
    }
    default:
      return undefined
  }
}
