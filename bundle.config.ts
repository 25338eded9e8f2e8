import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';

/**
 * The till's daemon as a few files: a thousand modules looked up one by one are most of its start. Packages with
 * binaries, and those that start threads from files of their own, stay packages.
 *
 * `vite build --config bundle.config.ts` after `tsc -p tsconfig.build.json`, whose output stays beside it: files that the
 * modules find by their own place are there.
 */
const ROOT = fileURLToPath(new URL('.', import.meta.url));
/** Its thread is bundled too and lies beside it. */
const FINDS_A_BUNDLE = 'edge/replica/thread/thread-writer.ts';

const packages = ['@lydell/node-pty', 'better-sqlite3-multiple-ciphers', 'node-hid', 'pino', 'serialport'];

/** In a bundle a module's own place is where `tsc` put it. */
function keepsPlaces(): Plugin {
  return {
    name: 'keeps-places',
    transform(code, id) {
      const path = relative(ROOT, id);
      const isOurs = !path.startsWith('..') && !path.startsWith('node_modules');
      if (!isOurs || path === FINDS_A_BUNDLE || !code.includes('import.meta.url')) return undefined;
      const place = JSON.stringify(`../${path.replace(/\.ts$/, '.js')}`);
      return {
        code: code.replaceAll('import.meta.url', `new URL(${place}, import.meta.url).href`),
        map: null,
      };
    },
  };
}

export default defineConfig({
  publicDir: false,
  plugins: [keepsPlaces()],
  ssr: { target: 'node', noExternal: true, external: packages },
  build: {
    ssr: true,
    outDir: 'dist/bundle',
    emptyOutDir: true,
    target: 'node24',
    minify: false,
    license: true,
    rolldownOptions: {
      input: {
        'edge-main': 'edge/main.ts',
        'writer-main': 'edge/replica/thread/writer-main.ts',
      },
      output: { entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
    },
  },
});
