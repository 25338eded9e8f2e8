import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/**
 * The till daemon serves the built page under /display/ with `default-src 'self'`, so nothing may end up inline:
 * no data: assets, no inline script.
 */
export default defineConfig({
  root: import.meta.dirname,
  base: '/display/',
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
});
