// Loaded before a program: changes its modules as the named mutant says, while they are loaded.
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { projectFile } from '../support/run-program.ts';
import { MUTANT_VARIABLE, isMutant, mutants } from './mutants.ts';
import type { Mutant } from './mutants.ts';

const name = process.env[MUTANT_VARIABLE] ?? '';
if (!isMutant(name)) throw new Error(`there is no mutant ${name}`);
const { changes }: Mutant = mutants[name];
const byUrl = Map.groupBy(changes, ({ file }) => pathToFileURL(projectFile(file)).href);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const { source } = loaded;
    if (!byUrl.has(url) || source === undefined || source === null) return loaded;
    let text = typeof source === 'string' ? source : new TextDecoder().decode(source);
    for (const { file, from, to } of byUrl.get(url) ?? []) {
      if (text.split(from).length !== 2) throw new Error(`${file} does not say “${from}” once`);
      text = text.replace(from, () => to);
    }
    return { ...loaded, source: text };
  },
});
