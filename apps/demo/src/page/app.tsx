import { useCallback, useMemo, useState, type ReactNode } from 'react'

import { withShownAddresses } from '../shared/demo-api.ts'
import { teacherOfClass } from '../shared/teachers.ts'
import type { Asked } from './chat/came-about.ts'
import { ClassStairs } from './chat/class-stairs.tsx'
import { Composer } from './chat/composer.tsx'
import { Notebook } from './chat/notebook.tsx'
import { useConversation } from './chat/use-conversation.ts'
import { EngineRoom } from './engine/engine-room.tsx'
import { useEngine } from './engine/use-engine.ts'
import { useReliabilityTest } from './engine/use-reliability-test.ts'
import { PageHead } from './page-head.tsx'
import type { PageClient } from './page-client.ts'
import { StatusStrip } from './status-strip.tsx'
import { useTheme } from './use-theme.ts'

/** The whole page: the classroom on the left, the engine room on the right; on a phone one of the two at a time. */
export function App({ client }: { readonly client: PageClient }): ReactNode {
  const [classNumber, setClassNumber] = useState(3)
  const [isEngineOpen, setEngineOpen] = useState(false)
  const { theme, next } = useTheme()
  const engine = useEngine(client.surefoot)
  const reliability = useReliabilityTest(engine.refresh)
  const [mayRemember, setMayRemember] = useState(true)
  const { info } = engine
  const { turns, isAnswering, ask, stop } = useConversation(client, {
    isBrokenOnPurpose: info !== undefined && info.mode !== 'none',
    mayRemember: mayRemember && info?.hasCache === true,
    onEnd: engine.refresh,
  })
  const teacher = teacherOfClass(classNumber)
  const known = info?.backends
  const isStandIn = info?.kind === 'stand-in'
  const model = info?.model ?? 'the model'
  const asked = useMemo<Asked>(() => ({ origin: isStandIn ? 'stand-in' : 'model', model }), [isStandIn, model])
  const rate = useCallback((runId: string, isGood: boolean) => client.surefoot.feedback(runId, isGood), [client])
  const say = useCallback((text: string) => withShownAddresses(text, known ?? []), [known])

  return (
    <div className="page" data-class={classNumber} data-engine-open={isEngineOpen}>
      <PageHead engine={engine} theme={theme} onTheme={next} />
      <StatusStrip engine={engine} isOpen={isEngineOpen} onToggle={() => setEngineOpen((open) => !open)} />
      <main className="classroom" aria-label="Classroom">
        <div className="desk">
          <p className="teacher">
            <b>Class {classNumber}</b> with {teacher.name}
            <small>{teacher.focus}</small>
          </p>
          <ClassStairs classNumber={classNumber} isLocked={isAnswering} onChoose={setClassNumber} />
        </div>
        <Notebook turns={turns} teacher={teacher} asked={asked} say={say} onAgain={ask} onRate={rate} />
        <Composer
          teacherName={teacher.name}
          questions={teacher.questions}
          isAnswering={isAnswering}
          onAsk={(question) => ask(question, classNumber)}
          onStop={stop}
        />
      </main>
      <aside className="engine-room" id="engine-room" aria-label="Engine room">
        <EngineRoom
          engine={engine}
          reliability={reliability}
          mayRemember={mayRemember}
          onMayRemember={setMayRemember}
        />
      </aside>
    </div>
  )
}
