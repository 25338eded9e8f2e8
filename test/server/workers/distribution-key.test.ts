// Goal: a batch of a till stays with that till's part of the data: every statement of the intake on a table of tills
// names the till, as a hash-partitioned PostgreSQL or Citus needs it (docs/scale.md). What does not is named here.
// Method: each statement of real batches is recorded and its tables are looked at.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { Database } from '../../../server/database/database.ts';
import { MemoryEngine } from '../../../server/database/memory-engine.ts';
import { commitBatches } from '../../../server/intake/commit-batches.ts';
import { readCommitted } from '../../../server/intake/journal-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { LedgerWorld } from '../ledger-world.ts';
import { TestTill } from '../test-till.ts';

const clock = new ManualClock();
let engine: MemoryEngine;
let isRecording = false;
const recorded: string[] = [];
let database: Database;

beforeAll(async () => {
  engine = await MemoryEngine.open({ clock, random: new SeededRandom(0), log: silentLog });
  const session = engine.session((statement, carryOut) => {
    if (isRecording) recorded.push(statement.sql.replaceAll(/\s+/g, ' ').trim());
    return carryOut(statement);
  });
  database = Database.over(session.db, 'epoch', silentLog);
}, 60_000);
afterAll(() => engine?.close());

/** By what each table would be spread over machines: its column, or `everywhere` for what each machine has all of. */
const KEYS: Readonly<Record<string, string>> = {
  till_journal: 'till',
  till_progress: 'till',
  journal_quarantine: 'till',
  ledger_account: 'id',
  ledger_posting: 'account_id',
  ledger_transaction: 'idempotency_key',
  point_lot: 'account',
  redemption: 'sale_id',
  sale_claim: 'sale_id',
  sale_return: 'sale_id',
  credential: 'index',
  customer: 'id',
  customer_activity: 'customer_id',
  programme: 'everywhere',
  offer_version: 'everywhere',
};

/** What does not name the key, and what it would cost. `of` is a part of the statement. */
const EXCEPTIONS = {
  sales: [
    // An entry's id is unique among all tills: a batch is held against those that others brought. Spread over machines it
    // is asked of each of them, or of a table of ids that is spread by id.
    { table: 'till_journal', of: 'from till_journal where id = any(' },
  ],
  returns: [
    // A return may come from another till than its sale, which is found by its id: entry, transaction and lot have one.
    { table: 'till_journal', of: 'join till_journal j on j.id = s.id' },
    { table: 'ledger_transaction', of: 'from ledger_transaction s join till_journal j' },
    { table: 'ledger_transaction', of: 'from ledger_transaction s join sale_return r' },
    { table: 'ledger_transaction', of: 'join ledger_transaction t on t.id = q.transaction_id' },
    { table: 'ledger_posting', of: 'join ledger_posting m on m.transaction_id = t.id' },
    { table: 'ledger_posting', of: 'left join ledger_posting p on p.transaction_id = s.id' },
    { table: 'point_lot', of: 'left join point_lot l on l.id = s.id' },
    { table: 'point_lot', of: 'join point_lot l on l.id = t.id' },
    { table: 'point_lot', of: 'update point_lot l set' },
    // Locked by the sale before, and marked by its own id.
    { table: 'sale_return', of: 'update sale_return r set' },
  ],
} as const;

interface Place {
  readonly table: string;
  readonly of: string;
}

/** Tables of ours in a statement, each with what it is called there. */
function tablesIn(statement: string): readonly { readonly table: string; readonly alias: string }[] {
  const word = /(?:from|join|into|update) (?!set |of )(\w+)(?: as)?(?: (\w+))?/g;
  const following = new Set(['where', 'set', 'on', 'order', 'select', 'join', 'limit', 'left']);
  return [...statement.matchAll(word)].flatMap(([, table = '', alias = '']) =>
    table === 'unnest' || table === 'lateral'
      ? []
      : [{ table, alias: alias === '' || following.has(alias) ? table : alias }],
  );
}

function namesKey(statement: string, table: string, alias: string): boolean {
  const key = KEYS[table];
  if (key === undefined || key === 'everywhere') return key === 'everywhere';
  const columns = new RegExp(`into ${table}(?: as \\w+)? \\(([^)]*)\\)`).exec(statement)?.[1];
  if (columns !== undefined) return columns.split(', ').includes(key);
  // "id = any(…)" belongs to the one table of its statement; of several each is called by its alias.
  const own = alias === table ? `(?:(?<![.\\w])|\\b${table}\\.)` : `\\b${alias}\\.`;
  const alone = tablesIn(statement).length === 1 ? `(?:(?<![.\\w])|\\b${alias}\\.)` : own;
  return new RegExp(`${alone}${key} = |= ${own}${key}\\b`).test(statement);
}

/** Where a statement touches a table without its key. */
function withoutKey(statements: readonly string[]): readonly Place[] {
  return [...new Set(statements)].flatMap((of) =>
    tablesIn(of).flatMap(({ table, alias }) => (namesKey(of, table, alias) ? [] : [{ table, of }])),
  );
}

/** Places that no exception names, and exceptions nothing needs. */
function unexplained(places: readonly Place[], exceptions: readonly Place[]): readonly Place[] {
  const isOf = (place: Place, exception: Place): boolean =>
    place.table === exception.table && place.of.includes(exception.of);
  return [
    ...places.filter((place) => !exceptions.some((exception) => isOf(place, exception))),
    ...exceptions.filter((exception) => !places.some((place) => isOf(place, exception))),
  ];
}

/** All statements of taking in what `sell` puts into the journals, and of the receipts. */
async function record(
  sell: (world: LedgerWorld, tills: readonly [TestTill, TestTill]) => Promise<void>,
): Promise<readonly string[]> {
  const world = new LedgerWorld(database, clock);
  await world.rules({});
  const tills = [new TestTill(), new TestTill()] as const;
  await sell(world, tills);
  recorded.length = 0;
  isRecording = true;
  await commitBatches(
    database,
    tills.map((till) => till.batch()),
    clock,
  );
  await readCommitted(database.db, tills);
  isRecording = false;
  return recorded.filter((statement) => !/^(?:begin|commit)$/.test(statement));
}

test('sales and their receipts name the till, the account or the card of each row; what does not is known', async () => {
  const statements = await record(async (world, [one, two]) => {
    const index = one.index();
    await world.customer(index);
    one.sell(index, 1_000);
    one.sell(one.index(), 700);
    one.sell(null, 700);
    two.sell(index, 500);
  });
  expect(statements.length).toBeGreaterThan(15);
  expect(statements.some((each) => each.startsWith('insert into till_journal'))).toBe(true);
  expect(unexplained(withoutKey(statements), EXCEPTIONS.sales)).toEqual([]);
});

test('so do returns, but for the way from a return to its sale', async () => {
  const statements = await record(async (world, [one, two]) => {
    const index = one.index();
    await world.customer(index);
    one.undo(one.sell(index, 1_000));
    two.sell(one.index(), 500);
  });
  const all = [...EXCEPTIONS.sales, ...EXCEPTIONS.returns];
  expect(unexplained(withoutKey(statements), all)).toEqual([]);
});

test.each([
  ['a read of a journal by time', 'select hash from till_journal where at > $1'],
  ['a lock without the till', 'select p.till from till_progress p where p.incarnation = $1 for update of p'],
  ['a table nobody has thought of', 'select from something_new where till = $1'],
  ['an insert that leaves it out', 'insert into till_journal (seq, id) select * from unnest($1::bigint[])'],
])('%s is noticed', (_what, statement) => {
  expect(withoutKey([statement])).toHaveLength(1);
});
