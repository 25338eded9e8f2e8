// Goal: what the README says of settings, error codes and commands is what the code does.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { errorCodes } from '../foundation/error-codes.ts';
import { generatedPages, page, pageFromCode, readme } from './support/readme-blocks.ts';
import { sourceFiles } from './support/source-files.ts';

describe('the README', () => {
  test.each(generatedPages)(
    '%s lists settings and error codes as the code has them (npm run docs writes them)',
    (path) => {
      expect(page(path)).toBe(pageFromCode(path));
    },
  );

  test('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      scripts: object;
    };
    const named = [...readme().matchAll(/npm run (?:-s )?([a-z:-]+)/g)].map((match) => match[1] ?? '');
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  test('points only to files that exist', () => {
    const links = [...readme().matchAll(/\]\(((?!https?:)[^)#]+)\)/g)].map((match) => match[1] ?? '');
    expect(links.length).toBeGreaterThan(3);
    expect(links.filter((link) => !existsSync(new URL(`../${link}`, import.meta.url)))).toEqual([]);
  });
});

describe('error codes', () => {
  test('are all used: a code nothing throws would promise what never comes', () => {
    const product = sourceFiles()
      .filter((file) => !file.path.startsWith('test/') && file.path !== 'foundation/error-codes.ts')
      .map((file) => file.text)
      .join('\n');
    expect(Object.keys(errorCodes).filter((code) => !new RegExp(`\\b${code}\\b`).test(product))).toEqual([]);
  });
});
