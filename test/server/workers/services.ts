import { afterAll, beforeAll, beforeEach } from 'vitest';
import { NO_MOSQUITTO, TestMosquitto, findMosquitto } from '../../support/mosquitto.ts';
import { ServerFolder } from '../server-folder.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';

/** A PostgreSQL and a Mosquitto for the tests of a file; without either its tests are left out, saying why. */
export interface Services {
  databaseUrl(): string;
  broker(): TestMosquitto;
  /** The servers' keys. */
  readonly folder: ServerFolder;
}

export function onServices(settings?: (folder: string) => readonly string[]): Services {
  let postgres: TestPostgres | { readonly missing: string } = { missing: 'not started' };
  let broker: TestMosquitto | undefined;
  const program = findMosquitto();
  const folder = new ServerFolder();
  beforeAll(async () => {
    if (program === undefined) return;
    postgres = await startPostgres();
    broker = await TestMosquitto.open(program, settings);
  }, 60_000);
  beforeEach((context) => {
    if (program === undefined) context.skip(NO_MOSQUITTO);
    if ('missing' in postgres) context.skip(postgres.missing);
  });
  afterAll(async () => {
    await broker?.close();
    if ('url' in postgres) await postgres.close();
    folder[Symbol.dispose]();
  });
  return {
    folder,
    databaseUrl: () => ('url' in postgres ? postgres.url : ''),
    broker: () => {
      if (broker === undefined) throw new Error('there is no Mosquitto');
      return broker;
    },
  };
}
