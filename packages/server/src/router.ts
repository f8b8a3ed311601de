import { inputToCall, parseChatInput, parseChatStreamInput } from './trpc/chat-input.ts'
import { drainsOf, parseDrainInput } from './trpc/drain-input.ts'
import { errorToTrpcError } from './trpc/error-shape.ts'
import { feedbackInputSchema } from './trpc/feedback-input.ts'
import { healthInputSchema } from './trpc/health-input.ts'
import { createCallerFactory, procedure, router } from './trpc/init.ts'
import { eventToWire } from './trpc/wire-event.ts'

/**
 * The procedures of a Surefoot server.
 *
 * Chats are mutations: they travel as POST bodies, never in a URL, and no client runs them again by itself.
 */
const appRouter = router({
  /** One whole answer. */
  chat: procedure.input(parseChatInput).mutation(async ({ ctx, input, signal }) => {
    const [question, options] = inputToCall(input)
    // `stream` is the client's business; here the answer goes out as a whole.
    const body = typeof question === 'string' ? question : { ...question, stream: false }
    return await ctx.surefoot.chat(body, { ...options, tenant: ctx.tenant ?? options.tenant, signal })
  }),

  /** The events of one run as they come; an end without `finish` is a broken stream. */
  chatStream: procedure.input(parseChatStreamInput).mutation(async function* ({ ctx, input, signal }) {
    const [question, options] = inputToCall(input)
    const run = ctx.surefoot.run(question, { ...options, tenant: ctx.tenant ?? options.tenant, signal })
    try {
      for await (const event of run) yield eventToWire(event)
    } catch (error) {
      throw errorToTrpcError(error)
    } finally {
      run.stop()
    }
  }),

  /** What is reachable, installed, in memory and allowed. */
  health: procedure
    .input(healthInputSchema)
    .query(async ({ ctx, input, signal }) => await ctx.surefoot.health({ force: input?.force, signal })),

  /** The installed models of all backends. */
  models: procedure.query(async ({ ctx, signal }) => await ctx.surefoot.models({ signal })),

  /** Every backend's state now; asks no backend. */
  backends: procedure.query(async ({ ctx, signal }) => await ctx.surefoot.backends({ signal })),

  /** What is known of the configured experiments; asks no backend. */
  experiments: procedure.query(async ({ ctx, signal }) => await ctx.surefoot.experiments({ signal })),

  /** A person's judgement of an answer; false when its run took part in no experiment, or too long ago. */
  feedback: procedure
    .input(feedbackInputSchema)
    .mutation(async ({ ctx, input, signal }) => await ctx.surefoot.feedback(input.runId, input.isGood, { signal })),

  /** Takes a backend out: no new call goes there, the running ones end. */
  drain: procedure.input(parseDrainInput).mutation(({ ctx, input }) => drainsOf(ctx).drain(input.url)),

  /** Puts a drained backend back. */
  undrain: procedure.input(parseDrainInput).mutation(({ ctx, input }) => drainsOf(ctx).undrain(input.url)),
})

/** The type that `@trpc/client` and the SDK are typed by. */
export type AppRouter = typeof appRouter

/** The router, to be mounted beside procedures of your own. */
export function createAppRouter(): AppRouter {
  return appRouter
}

/** Calls the procedures in this process: `createCaller({ surefoot }).chat({ message })`. */
export const createCaller: ReturnType<typeof createCallerFactory<AppRouter['_def']['record']>> =
  createCallerFactory(appRouter)
