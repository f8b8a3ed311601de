import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [react()],
  resolve: { conditions: ['@surefoot/source', 'module', 'browser', 'development|production'] },
  build: {
    outDir: 'dist/page',
    emptyOutDir: true,
    target: 'es2024',
    modulePreload: { polyfill: false },
    // React and zod, from this machine to this machine: nothing to be gained by splitting them.
    chunkSizeWarningLimit: 1000,
  },
})
