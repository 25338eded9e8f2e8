import { readFileSync, writeFileSync } from 'node:fs';
import { EdgeConfig } from '../../edge/config.ts';
import { ServerConfig } from '../../server/config.ts';
import { errorCodeTable, settingsTable, withGenerated } from './readme-tables.ts';

const README = new URL('../../README.md', import.meta.url);

export function readme(): string {
  return readFileSync(README, 'utf8');
}

/** The README as it should be: its generated blocks made anew from the code. */
export function readmeFromCode(): string {
  return withGenerated(readme(), {
    'till-settings': settingsTable(EdgeConfig),
    'server-settings': settingsTable(ServerConfig),
    'error-codes': errorCodeTable(),
  });
}

/** `npm run docs`: writes what {@link readmeFromCode} says. */
if (import.meta.main) writeFileSync(README, readmeFromCode());
