import './require-runtime.js';
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';

/**
 * Runs a program of the project: its TypeScript as it is in a checkout, its build in the published package
 * (Node.js strips types everywhere but below node_modules).
 * @param {string} module path without extension, from the project's root
 */
export async function run(module) {
  // Stripping and compiling hundreds of modules takes longer than all else at the start; the second start finds it done.
  enableCompileCache();
  const source = new URL(`../${module}.ts`, import.meta.url);
  await import(existsSync(source) ? source.href : new URL(`../dist/${module}.js`, import.meta.url).href);
}
