import type { PlantedFault } from './planted-fault.ts'

/** Mistakes about prompts that do not fit, kept answers, other ways to answer, and models that are compared. */
export const CAPABILITY_FAULTS: readonly PlantedFault[] = [
  {
    name: 'a backend is not asked to refuse a prompt that is too long',
    edits: [
      {
        file: 'layers/prepare/prepare.ts',
        find: '{ ...given.request, truncate: false }',
        put: 'given.request',
      },
    ],
  },
  {
    name: 'a call that has waited is sent with the context of before, after another one needed a larger one',
    edits: [
      {
        file: 'layers/prepare/outgoing.ts',
        find: 'if (this.#sent !== undefined && this.#printedWith === (loadedWith ?? this.#loadOptions.of(this.#model))) {',
        put: 'if (this.#sent !== undefined) {',
      },
    ],
  },
  {
    name: 'tenants are given the cached answers of each other',
    edits: [
      { file: 'answer-store/answer-key.ts', find: '[FORM, tenant ?? null, question]', put: '[FORM, null, question]' },
    ],
  },
  {
    name: 'an answer that its limit cut off is kept',
    edits: [
      {
        file: 'answer-store/stored-answer.ts',
        find: "answer.served !== 'model' || answer.done_reason !== 'stop' || saysNothing(answer)",
        put: "answer.served !== 'model' || saysNothing(answer)",
      },
      { file: 'answer-store/stored-answer.ts', find: "done_reason: z.literal('stop')", put: 'done_reason: z.string()' },
    ],
  },
  {
    name: 'a cached answer never gets too old',
    edits: [
      { file: 'answer-store/answer-cache.ts', find: 'if (ageMs >= this.#keptMs || isOther) {', put: 'if (isOther) {' },
      {
        file: 'answer-store/answer-cache.ts',
        find: 'const stored = ageMs < withinMs ? readAnswer',
        put: 'const stored = ageMs < Math.max(withinMs, Number.POSITIVE_INFINITY) ? readAnswer',
      },
    ],
  },
  {
    name: 'nobody joins a run: each of those who ask the same at once has a model asked',
    edits: [
      {
        file: 'layers/cache/desk.ts',
        find: 'let seat = this.#sit(asked, this.#runs.get(runKey))',
        put: 'let seat = this.#sit(asked, undefined)',
      },
    ],
  },
  {
    name: 'a run ends with the caller who began it, whoever has joined it',
    edits: [
      {
        file: 'layers/cache/shared-run.ts',
        find: 'if (this.#end !== undefined) return\n    this.#hasBegun = true',
        put: "if (this.#end !== undefined) return\n    const { signal } = this.#context\n    signal.addEventListener('abort', () => this.#stop(signal.reason), { once: true })\n    this.#hasBegun = true",
      },
    ],
  },
  {
    name: 'a run goes on when the last one who waited for it has left',
    edits: [
      {
        file: 'layers/cache/shared-run.ts',
        find: 'if (this.#end === undefined) this.#stop(reason)\n    else this.#onOver(this)',
        put: 'void reason\n    this.#onOver(this)',
      },
    ],
  },
  {
    name: 'another model goes on where the first one broke off, after its first words were shown',
    edits: [
      {
        file: 'layers/degrade/descent.ts',
        find: 'return at === 0 ? reply : labelled(',
        put: "if (at === 0 && count > 1 && !call.buffered) {\n        const { ask, first } = { ask: () => this.#ask(this.#options.degradeModels[0] as string, count - 1, count), first: reply.body }\n        const fail = (error: unknown): void => void (this.#failure = this.#judge(error))\n        const body = async function* (): Reply['body'] {\n          try {\n            return yield* first\n          } catch (error) {\n            fail(error)\n            return yield* ((await ask()) as Reply).body\n          }\n        }\n        return { ...reply, body: body() }\n      }\n      return at === 0 ? reply : labelled(",
      },
    ],
  },
  {
    name: 'the models of the ladder are passed over: what comes after them answers',
    edits: [
      {
        file: 'layers/degrade/descent.ts',
        find: 'return [model, ...others]',
        put: 'return [model, ...others.slice(others.length)]',
      },
    ],
  },
  {
    name: 'the answer of another model is passed off as that of the one that was asked for',
    edits: [
      {
        file: 'layers/degrade/descent.ts',
        find: "labelled(reply, { served: 'degraded', reason: this.#reason })",
        put: "labelled(reply, { served: 'model', reason: this.#reason })",
      },
    ],
  },
  {
    name: 'a copy goes on while a call waits',
    edits: [
      { file: 'build-experiments.ts', find: 'dispatcher.onDemand((demand) => shadows.giveWay(demand))\n', put: '\n' },
    ],
  },
  {
    name: 'a copy begins beside the calls of a backend',
    edits: [
      {
        file: 'backends/spare-backends.ts',
        find: 'if (draining || slots.held > 0 || loader',
        put: 'if (draining || slots.held < 0 || loader',
      },
    ],
  },
  {
    name: 'who comes again is given a variant anew',
    edits: [
      {
        file: 'layers/experiment/experiment.ts',
        find: 'const session = trial.join(call.stickyKey ?? context.id)',
        put: 'const session = trial.join(context.id)',
      },
    ],
  },
]
