// Goal: no personal field exists that the data map does not name, and it names none that is gone.
// Method: read the columns the migrations really make, and the fields of the schemas that are stored or sent.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { Database } from '../server/database/database.ts';
import { silentLog } from '../foundation/log.ts';
import { SeededRandom } from '../foundation/random.ts';
import { ManualClock } from './support/manual-clock.ts';
import { sql } from 'kysely';
import { replicaSchemas } from '../edge/replica/collections.ts';
import { FeedHead, FeedPage } from '../sync/contract/feed.ts';
import { JournalEntry } from '../sync/contract/journal-entry.ts';
import { LookupAnswer } from '../sync/contract/lookup.ts';
import { CredentialLinked, CredentialUnlinked } from '../sync/contract/link.ts';
import { FeedUrgent, JournalBatch, Receipt, Request, TillState } from '../sync/contract/messages.ts';
import { replicaCollections } from '../sync/contract/replica-documents.ts';
import {
  SaleClaimed,
  SaleCompleted,
  SaleCustomer,
  SaleReturned,
  SaleVoided,
} from '../sync/contract/transaction.ts';

const Fields = z.record(z.string(), z.record(z.string(), z.string()));
const DataMap = z.strictObject({
  classes: z.record(
    z.string(),
    z.strictObject({
      what: z.string(),
      purposes: z.array(z.string()).optional(),
      basis: z.string().optional(),
      source: z.string().optional(),
      retention: z.string().optional(),
      erasure: z.string().optional(),
      access: z.boolean().optional(),
      portability: z.boolean().optional(),
    }),
  ),
  server: Fields,
  replica: Fields,
  journal: Fields,
  messages: Fields,
});

const map = DataMap.parse(parse(readFileSync(new URL('../data-map.yaml', import.meta.url), 'utf8')));

/** `place.field` for every field, sorted. */
function names(
  fields: Readonly<Record<string, readonly string[] | Readonly<Record<string, unknown>>>>,
): string[] {
  return Object.entries(fields)
    .flatMap(([place, each]) =>
      (Array.isArray(each) ? each : Object.keys(each)).map((field) => `${place}.${field}`),
    )
    .toSorted();
}

function keys(schema: z.ZodType): readonly string[] {
  const json = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' });
  return Object.keys(json.properties ?? {});
}

describe('the data map', () => {
  let database: Database;
  beforeAll(async () => {
    database = await Database.open(
      { memory: true },
      { clock: new ManualClock(), random: new SeededRandom(1), log: silentLog },
    );
  });
  afterAll(() => database.close());

  test('says for every class of personal data why it is held, how long, and what erases it', () => {
    for (const [name, entry] of Object.entries(map.classes)) {
      if (name === 'none') continue;
      expect({ name, says: Object.keys(entry).toSorted() }).toEqual({
        name,
        says: ['access', 'basis', 'erasure', 'portability', 'purposes', 'retention', 'source', 'what'],
      });
    }
  });

  test('uses only classes it defines', () => {
    const used = [map.server, map.replica, map.journal, map.messages].flatMap((section) =>
      Object.values(section).flatMap((fields) => Object.values(fields)),
    );
    expect([...new Set(used)].filter((name) => !(name in map.classes))).toEqual([]);
  });

  test('names every column of the server’s database', async () => {
    const rows = await sql<{ place: string; field: string }>`
      select table_name as place, column_name as field from information_schema.columns
      where table_schema = 'public' and table_name not like 'kysely%'`.execute(database.db);
    expect(rows.rows.map(({ place, field }) => `${place}.${field}`).toSorted()).toEqual(names(map.server));
  });

  test('names every replicated field, and the till’s schemas have no other', () => {
    const documents = Object.fromEntries(
      Object.entries(replicaCollections).map(([name, { document }]) => [name, keys(document)]),
    );
    const stored = Object.fromEntries(
      Object.entries(replicaSchemas).map(([name, schema]) => [name, Object.keys(schema.properties)]),
    );
    expect(names(map.replica)).toEqual(names(documents));
    expect(names(stored)).toEqual(names(documents));
  });

  test('keeps name, address, phone, mail and birth date off the till', () => {
    const onTill = Object.values({ ...map.replica, ...map.journal }).flatMap((fields) =>
      Object.values(fields),
    );
    expect(onTill.filter((name) => name === 'identity' || name === 'contact')).toEqual([]);
  });

  test('names every journal field', () => {
    const customer = keys(SaleCustomer).map((field) => `customer.${field}`);
    const completed = keys(SaleCompleted).flatMap((field) => (field === 'customer' ? customer : [field]));
    const parts = (schema: typeof CredentialLinked | typeof CredentialUnlinked): readonly string[] =>
      Object.entries(schema.shape).flatMap(([field, part]) =>
        part instanceof z.ZodObject ? keys(part).map((each) => `${field}.${each}`) : [field],
      );
    expect(names(map.journal)).toEqual(
      names({
        'sale.completed': completed,
        'sale.claimed': keys(SaleClaimed).flatMap((field) => (field === 'customer' ? customer : [field])),
        'sale.voided': keys(SaleVoided),
        'sale.returned': keys(SaleReturned),
        'credential.linked': parts(CredentialLinked),
        'credential.unlinked': parts(CredentialUnlinked),
      }),
    );
  });

  test('names every message field', () => {
    expect(names(map.messages)).toEqual(
      names({
        'journal batch': keys(JournalBatch),
        'journal entry': keys(JournalEntry),
        receipt: keys(Receipt),
        request: keys(Request),
        'till state': keys(TillState),
        'card lookup': keys(LookupAnswer),
        'feed page': keys(FeedPage),
        'feed head': keys(FeedHead),
        'feed urgent': keys(FeedUrgent),
      }),
    );
  });
});
