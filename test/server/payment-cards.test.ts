// Goal: no payment-card number comes to rest at the centre, whichever way somebody sends one (requirements R1, R2).
// Method: every text the API's bodies take is offered card numbers; a till's journal carries one, and all tables are read.
import { generateKeyPairSync } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import { Database } from '../../server/database/database.ts';
import { CustomerPatch, NewCustomer } from '../../server/customers/customer.ts';
import { Intake } from '../../server/intake/intake.ts';
import { Statements } from '../../server/statements.ts';
import { topicsOf } from '../../sync/contract/topics.ts';
import { CredentialLinked, CredentialUnlinked } from '../../sync/contract/link.ts';
import { OfferDocument, ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import { encode } from '../../sync/contract/wire.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { TestTill } from './test-till.ts';

const PANS = ['4111111111111111', '4111 1111 1111 1111', '5555-5555-5555-4444', '378282246310005'];

/** The schemas of all texts below a schema, by path. */
function texts(schema: z.core.$ZodType, path = ''): readonly (readonly [string, z.ZodType])[] {
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, value]) =>
      texts(value as z.ZodType, `${path}.${key}`),
    );
  }
  if (schema instanceof z.ZodArray) return texts(schema.element, `${path}[]`);
  if (schema instanceof z.ZodDiscriminatedUnion || schema instanceof z.ZodUnion) {
    return schema.options.flatMap((option) => texts(option, path));
  }
  if (schema instanceof z.ZodPipe) return texts(schema.in, path);
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodReadonly
  ) {
    return texts(schema.unwrap(), path);
  }
  if (schema instanceof z.ZodString || schema instanceof z.ZodStringFormat) return [[path, schema]];
  return [];
}

/** Card numbers as people are identified by: turned into a blind index at once, refused by the recognition's rules. */
const NUMBERS = new Set(['.cards[].number', '.cards[].scheme']);

test.each([
  ['a new customer', NewCustomer, 12],
  ['a changed customer', CustomerPatch, 2],
  ['the programme', ProgrammeDocument, 5],
  ['an offer', OfferDocument, 5],
  ['a link in a till’s journal', CredentialLinked, 5],
  ['the end of a link', CredentialUnlinked, 3],
] as const)('%s holds no text that takes a card number', (_title, schema, atLeast) => {
  const found = texts(schema);
  expect(found.length).toBeGreaterThanOrEqual(atLeast);
  const takes = found.filter(
    ([path, text]) => !NUMBERS.has(path) && PANS.some((pan) => text.safeParse(pan).success),
  );
  expect(takes.map(([path]) => path)).toEqual([]);
});

test('a mail address made of a card number is refused', () => {
  const customer = { tier: 'basic', profile: { email: '4111111111111111@example.org' } };
  expect(NewCustomer.safeParse(customer).success).toBe(false);
});

let database: Database;
const clock = new ManualClock();
const random = new SeededRandom(11);
beforeAll(async () => {
  database = await Database.open({ memory: true }, { clock, random, log: silentLog });
});
afterAll(() => database.close());

/** Every value of every table, as text. */
async function everythingStored(): Promise<string> {
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = 'public'`.execute(
    database.db,
  );
  expect(tables.length).toBeGreaterThan(8);
  const contents = await Promise.all(
    tables.map(async ({ name }) => {
      const { rows } = await sql<{ all: string | null }>`
        select string_agg(t::text, ' ') as all from ${sql.table(name)} t`.execute(database.db);
      return rows[0]?.all ?? '';
    }),
  );
  return contents.join('\n');
}

test('a journal entry with a card number is refused with its code, and its digits come to rest nowhere', async () => {
  const logged: unknown[] = [];
  const log = {
    ...silentLog,
    warn: (fields: unknown) => void logged.push(fields),
    error: (fields: unknown) => void logged.push(fields),
  };
  const { privateKey } = generateKeyPairSync('ed25519');
  const topics = topicsOf('kaufhaus');
  const intake = new Intake({
    database,
    topics,
    statements: new Statements(database, { clock, signingKey: privateKey }),
    bus: { publish: async () => 'sent' as const },
    clock,
    random,
    log,
    onCommitted: () => {},
  });
  const till = new TestTill();
  const basket = (article: string) => ({
    currency: 'EUR',
    lines: [{ id: '1', article, quantityMilli: 1_000, totalMinor: 100 }],
    totalMinor: 100,
  });
  till.sell(till.index(), 100, { basket: basket('4111111111111111') });
  till.addBody(JSON.stringify({ kind: 'unheard of', note: '5555 5555 5555 4444' }));
  till.sell(till.index(), 100);
  // The same place in the chain with something else in it: quarantined.
  const clone = new TestTill(till.till);
  Object.assign(clone, { incarnation: till.incarnation });
  clone.sell(clone.index(), 100, { basket: basket('378282246310005') });

  intake.offer(topics.journal(till.till), encode(till.batch()));
  await intake.idle();
  intake.offer(topics.journal(till.till), encode(clone.batch()));
  await intake.idle();
  await settle();

  const { rows } = await sql<{ seq: number; verdict: string; code: string | null }>`
    select seq, verdict, code from till_journal order by seq`.execute(database.db);
  expect(rows).toEqual([
    { seq: 1, verdict: 'refused', code: 'PAN_REJECTED' },
    { seq: 2, verdict: 'refused', code: 'WIRE_MALFORMED' },
    { seq: 3, verdict: 'created', code: null },
  ]);
  const stored = (await everythingStored()) + JSON.stringify(logged);
  expect(stored).toContain(till.till);
  for (const digits of ['411111111111', '5555 5555', '55555555', '3782822463'])
    expect(stored).not.toContain(digits);
});
