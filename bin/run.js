import './require-runtime.js';
import { existsSync } from 'node:fs';
// By namespace: an older Node.js lacks what is used of it, and must get as far as saying that it is too old.
import * as nodeModule from 'node:module';

/**
 * Runs a program of the project: its TypeScript as it is in a checkout, its build in the published package
 * (Node.js strips types everywhere but below node_modules), bundled where `bundle.config.ts` does so.
 * @param {string} module path without extension, from the project's root
 */
export async function run(module) {
  // Stripping and compiling hundreds of modules takes longer than all else at the start; the second start finds it done.
  nodeModule.enableCompileCache();
  const source = new URL(`../${module}.ts`, import.meta.url);
  const bundle = new URL(`../dist/bundle/${module.replace('/', '-')}.js`, import.meta.url);
  if (existsSync(source)) {
    await import(source.href);
  } else if (existsSync(bundle)) {
    // Node.js says nothing of what packages do while they lie in node_modules, and they still are packages.
    process.noDeprecation = true;
    await import(bundle.href);
  } else {
    await import(new URL(`../dist/${module}.js`, import.meta.url).href);
  }
}
