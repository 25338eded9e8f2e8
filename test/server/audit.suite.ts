// A sound ledger is tampered with in a transaction that is taken back, each time in another way; the audit looks on
// from within.
import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { redactIndexes } from '../../server/customers/redact-indexes.ts';
import type { Database, DatabaseTransaction } from '../../server/database/database.ts';
import { auditLedger } from '../../server/ledger-audit.ts';
import type { LedgerAudit } from '../../server/ledger-audit.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import { LedgerWorld, saleIdOf } from './ledger-world.ts';
import { TestTill } from './test-till.ts';

const SALES = 120;

export function auditSuite(database: () => Database): void {
  let till: TestTill;
  let other: TestTill;
  let member: string;
  let index: string;
  let spare: JournalEntry;

  beforeAll(async () => {
    const world = new LedgerWorld(database());
    await world.rules({});
    [till, other] = [new TestTill('till-1'), new TestTill('till-2')];
    index = till.index();
    member = `member:${await world.customer(index)}`;
    // More than a page; some with no card, some with one nobody has.
    for (let i = 1; i < SALES; i += 1) till.sell([index, null, till.index()][i % 3] ?? null, 100 * i);
    const sale = till.sell(index, 5_000);
    till.undo(till.sell(index, 700));
    till.add({
      kind: 'sale.returned',
      returnId: till.id(),
      saleId: saleIdOf(sale),
      storeId: 'store-2',
      at: 0,
      lines: [{ lineId: '1', quantityMilli: 500 }],
      reversed: null,
    });
    till.addBody('{"kind":"unheard of"}');
    other.sell(index, 900);
    spare = other.sell(index, 800);
    other.sell(index, 700);
    await world.commit(till);
    await world.commit(other);
  }, 60_000);

  /** What the audit says after `tamper`, of which nothing stays. */
  async function after(tamper: (tx: DatabaseTransaction) => Promise<unknown>, only?: string) {
    const over = new Error('over');
    let audit: LedgerAudit | undefined;
    await database()
      .db.transaction()
      .execute(async (tx) => {
        for (const table of [
          'till_journal',
          'ledger_transaction',
          'ledger_posting',
          'ledger_account',
          'customer',
        ])
          await sql.raw(`alter table ${table} disable trigger user`).execute(tx);
        await tamper(tx);
        audit = await auditLedger(tx, only);
        throw over;
      })
      .catch((error: unknown) => {
        if (error !== over) throw error;
      });
    return audit;
  }

  const entry = (seq: number): JournalEntry => {
    const found = till.entries[seq - 1];
    if (found === undefined) throw new Error(`no entry ${seq}`);
    return found;
  };
  const first = (audit: LedgerAudit | undefined) => audit?.differences[0];

  test('a ledger nobody touched is sound, whole and till by till', async () => {
    const audit = await auditLedger(database().db);
    const entries = till.entries.length + other.entries.length;
    expect(audit).toMatchObject({ journals: 2, entries, withoutText: 0, waiting: 0, differences: [] });
    expect(audit.sums?.debits).toBe(audit.sums?.credits);
    expect(audit.sums?.debits).toBeGreaterThan(0);
    expect(await auditLedger(database().db, 'till-2')).toMatchObject({
      journals: 1,
      entries: 3,
      sums: null,
      differences: [],
    });
  });

  test('a body that was changed is named by its entry', async () => {
    const audit = await after((tx) =>
      sql`update till_journal set body = replace(body, '4000000000013', '4000000000020')
          where id = ${entry(110).id}::uuid`.execute(tx),
    );
    expect(first(audit)).toMatchObject({
      till: 'till-1',
      seq: 110,
      what: 'has another content than was sealed',
    });
  });

  test('a hash that was changed is named by its entry', async () => {
    const audit = await after((tx) =>
      sql`update till_journal set hash = ${'0'.repeat(64)} where id = ${entry(7).id}::uuid`.execute(tx),
    );
    expect(first(audit)).toMatchObject({ seq: 7, what: 'has another content than was sealed' });
  });

  test('an entry that was sealed anew breaks the chain at the next', async () => {
    const audit = await after((tx) =>
      sql`update till_journal set prev_hash = ${'0'.repeat(64)} where id = ${entry(8).id}::uuid`.execute(tx),
    );
    expect(first(audit)).toMatchObject({ seq: 8, what: 'does not continue the chain' });
  });

  test.each([
    ['the first', 1],
    ['one in the middle', 101],
    ['the last', SALES + 4],
  ])('%s entry, when it is removed, is missing', async (_what, seq) => {
    const remove = (tx: DatabaseTransaction) =>
      sql`delete from till_journal where till = 'till-1' and seq = ${seq}::bigint`.execute(tx);
    expect(first(await after(remove))).toMatchObject({ till: 'till-1', seq, what: 'missing' });
    expect(first(await after(remove, 'till-2'))).toBeUndefined();
  });

  test('a ledger transaction whose entry was removed is named, also where its journal ends', async () => {
    const audit = await after(async (tx) => {
      await sql`delete from till_journal where till = 'till-2' and seq = 3`.execute(tx);
      await sql`update till_progress set contiguous = 2, highest = 2 where till = 'till-2'`.execute(tx);
    });
    const what = 'is in the ledger as sale and has no accepted entry';
    expect(audit?.differences).toMatchObject([{ till: 'till-2', seq: 3, id: other.entries[2]?.id, what }]);
  });

  test('an accepted sale that is not in the ledger is named', async () => {
    const audit = await after(async (tx) => {
      await sql`delete from ledger_posting where transaction_id = ${spare.id}::uuid`.execute(tx);
      await sql`delete from ledger_transaction where id = ${spare.id}::uuid`.execute(tx);
    });
    expect(first(audit)).toMatchObject({
      till: 'till-2',
      seq: 2,
      what: 'was accepted and is not in the ledger',
    });
  });

  test('a sale posted under another key, or another place, is named', async () => {
    const renamed = await after((tx) =>
      sql`update ledger_transaction set idempotency_key = 'sale:0' where id = ${spare.id}::uuid`.execute(tx),
    );
    expect(first(renamed)).toMatchObject({ seq: 2, what: 'is in the ledger as something else' });
    const moved = await after((tx) =>
      sql`update ledger_transaction set seq = 1 where id = ${spare.id}::uuid`.execute(tx),
    );
    expect(first(moved)).toMatchObject({ seq: 2, what: 'is in the ledger as another’s' });
  });

  test('an entry that was refused and is in the ledger is named', async () => {
    const audit = await after((tx) =>
      sql`update till_journal set verdict = 'refused', code = 'LEDGER_REFUSED'
          where id = ${spare.id}::uuid`.execute(tx),
    );
    expect(first(audit)).toMatchObject({ seq: 2, what: 'was refused and is in the ledger' });
  });

  test('a posting that was changed is named by its transaction and entry', async () => {
    const change = (tx: DatabaseTransaction) =>
      sql`update ledger_posting set points = points + 1
          where transaction_id = ${spare.id}::uuid and account_id = ${member}`.execute(tx);
    const named = { till: 'till-2', seq: 2, id: spare.id, what: 'its postings are out of balance by 1' };
    expect(first(await after(change))).toMatchObject(named);
    expect(first(await after(change, 'till-2'))).toMatchObject(named);
  });

  test('both postings of a sale, changed to fit each other, do not fit its lines', async () => {
    const audit = await after((tx) =>
      sql`update ledger_posting set points = points * 2 where transaction_id = ${spare.id}::uuid`.execute(tx),
    );
    expect(first(audit)).toMatchObject({ seq: 2, what: 'has 16 points in the ledger, on its lines 8' });
  });

  test('a balance that was changed is named by its account', async () => {
    const audit = await after((tx) =>
      sql`update ledger_account set balance = balance + 5 where id = ${member}`.execute(tx),
    );
    expect(first(audit)?.account).toBe(member);
    expect(first(audit)?.what).toContain('its postings add up');
  });

  test('points of a customer that were changed are named', async () => {
    const audit = await after((tx) => sql`update customer set points = points - 1`.execute(tx));
    expect(first(audit)?.account).toBe(member);
    expect(first(audit)?.what).toContain('its customer');
  });

  test('what is left of a lot, when it was changed, is named', async () => {
    const audit = await after((tx) =>
      sql`update point_lot set remaining = remaining - 1
          where id = (select id from point_lot where account = ${member} and remaining > 0 limit 1)`.execute(
        tx,
      ),
    );
    expect(first(audit)?.account).toBe(member);
    expect(first(audit)?.what).toContain('its lots hold');
  });

  test('what waits for entries in between is no difference', async () => {
    const late = new TestTill('till-3');
    for (let i = 0; i < 3; i += 1) late.sell(null, 100);
    const world = new LedgerWorld(database());
    await world.commit(late, 1, 1);
    await world.commit(late, 3, 3);
    expect(await auditLedger(database().db)).toMatchObject({ waiting: 1, differences: [] });
    await world.commit(late, 2, 2);
    expect(await auditLedger(database().db)).toMatchObject({ waiting: 0, differences: [] });
  });

  test('an erased card leaves the chain of hashes, and is no difference', async () => {
    const audit = await after((tx) => redactIndexes(tx, [index]));
    expect(audit?.differences).toEqual([]);
    expect(audit?.withoutText).toBeGreaterThan(40);
  });
}
