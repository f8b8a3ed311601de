import { createClient } from '@surefoot/sdk'
import { createRoot } from 'react-dom/client'

import { App } from './app.tsx'
import './styles/base.css'
import './styles/layout.css'
import './styles/classroom.css'
import './styles/engine.css'

const surefoot = createClient({ url: location.origin })
createRoot(document.getElementById('root') as HTMLElement).render(<App surefoot={surefoot} />)
