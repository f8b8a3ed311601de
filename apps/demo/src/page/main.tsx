import { createRoot } from 'react-dom/client'

import { App } from './app.tsx'
import { createPageClient } from './page-client.ts'
import './styles/base.css'
import './styles/layout.css'
import './styles/classroom.css'
import './styles/turn.css'
import './styles/composer.css'
import './styles/engine.css'
import './styles/breaker.css'
import './styles/trials.css'
import './styles/answers.css'

const client = createPageClient(location.origin)
createRoot(document.getElementById('root') as HTMLElement).render(<App client={client} />)
