import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { projectFile } from '../support/run-program.ts';
import { mutants } from './mutants.ts';
import type { Mutant } from './mutants.ts';

test.each(Object.values<Mutant>(mutants).flatMap(({ changes }) => changes))(
  'what a mutant changes stands once in $file',
  ({ file, from }) => {
    expect(readFileSync(projectFile(file), 'utf8').split(from)).toHaveLength(2);
  },
);
