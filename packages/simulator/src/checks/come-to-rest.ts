import type { CallRecord } from '../callers/call-record.ts'
import type { World } from '../world.ts'

/** A reader may take so much longer than its call. */
const SLOWEST_READER_MS = 3_600_000
/** How long a world may take to come to rest after its last call. */
const REST_MS = 5_000

/** Waits until every call has ended, closes, and looks whether anything is left: the end of I1 and I3. */
export async function comeToRest(world: World, open: ReadonlyMap<number, CallRecord>): Promise<void> {
  const { clock, surefoot, config } = world
  const longestMs = Math.max(0, ...[...open.values()].map(({ deadlineAtMs }) => deadlineAtMs - clock.nowMs))
  for (let waitedMs = 0; open.size > 0 && waitedMs <= longestMs + SLOWEST_READER_MS; waitedMs += REST_MS) {
    await world.run(REST_MS)
  }
  for (const { id } of open.values()) world.report('I1', `call ${id} never ended`)
  // A load that its caller has left goes on, and its slot with it.
  for (let waitedMs = 0; waitedMs < config.loadTimeoutMs && (await slotsTaken(world)) > 0; waitedMs += REST_MS) {
    await world.run(REST_MS)
  }
  for (const { url, inFlight } of await surefoot.backends()) {
    if (inFlight > 0) world.report('I3', `${url} still has ${inFlight} slots taken when all calls have ended`)
  }
  let isClosed = false
  void surefoot.close().then(() => (isClosed = true))
  await world.run(REST_MS)
  if (!isClosed) world.report('I3', 'it does not close')
  if (clock.coreTimers > 0) world.report('I3', `${clock.coreTimers} timers are left`)
  if (world.requestsOpen > 0) world.report('I3', `${world.requestsOpen} requests are left`)
}

async function slotsTaken({ surefoot }: World): Promise<number> {
  const backends = await surefoot.backends()
  return backends.reduce((sum, { inFlight }) => sum + inFlight, 0)
}
