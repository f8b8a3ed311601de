import type { TelemetryEvent } from '@surefoot/core'
import { expect, it } from 'vitest'

import { countAnswers } from './answer-counts.ts'

it('counts how answers came about; not those that were stopped, and no wrong questions', () => {
  const listeners: ((event: TelemetryEvent) => void)[] = []
  const { counts } = countAnswers({
    on(listener) {
      listeners.push(listener)
      return () => {}
    },
  })
  const end = (more: Pick<TelemetryEvent & { type: 'call-end' }, 'outcome' | 'served'>): void => {
    for (const tell of listeners) {
      tell({ type: 'call-end', id: 'a', model: 'llama3.2', durationMs: 5, attempts: 1, ...more })
    }
  }
  end({ outcome: 'answered', served: 'model' })
  end({ outcome: 'answered', served: 'model' })
  end({ outcome: 'answered', served: 'cache' })
  end({ outcome: 'answered', served: 'degraded' })
  end({ outcome: 'answered', served: 'fallback' })
  end({ outcome: 'BREAKER_OPEN' })
  end({ outcome: 'CONTEXT_OVERFLOW' })
  end({ outcome: 'aborted' })
  expect(counts()).toEqual({ model: 2, cache: 1, degraded: 1, fallback: 2 })
})
