import { readFileSync, writeFileSync } from 'node:fs';
import { ReaderConfig } from '../../drivers/registry.ts';
import { EdgeConfig } from '../../edge/config.ts';
import { ServerConfig } from '../../server/config.ts';
import { errorCodeTable, settingsTable, withGenerated } from './readme-tables.ts';

/** Pages with generated blocks, and what makes each block. */
const pages: Readonly<Record<string, () => Readonly<Record<string, string>>>> = {
  'README.md': () => ({
    'till-settings': settingsTable(EdgeConfig, ['readers[]']),
    'server-settings': settingsTable(ServerConfig),
    'error-codes': errorCodeTable(),
  }),
  'docs/readers.md': () =>
    Object.fromEntries(
      ReaderConfig.options.map((option) => [`reader-${option.shape.kind.value}`, settingsTable(option)]),
    ),
};

export const generatedPages = Object.keys(pages);

/** A page of the project as it stands. */
export function page(path: string): string {
  return readFileSync(fileOf(path), 'utf8');
}

export function readme(): string {
  return page('README.md');
}

/** A page as it should be: its generated blocks made anew from the code. */
export function pageFromCode(path: string): string {
  return withGenerated(page(path), pages[path]?.() ?? {});
}

function fileOf(path: string): URL {
  return new URL(`../../${path}`, import.meta.url);
}

/** `npm run docs`: writes what {@link pageFromCode} says. */
if (import.meta.main) for (const path of generatedPages) writeFileSync(fileOf(path), pageFromCode(path));
