// Goal: two tills with one journal get all their sales into the ledger, each once, whichever of them rejoins, whatever
// is settled by hand, and in whatever order.
import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { silentLog } from '../../foundation/log.ts';
import { genesisHash, resealEntry } from '../../sync/contract/journal-entry.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import type { JournalBatch } from '../../sync/contract/messages.ts';
import { compareAudit } from '../../sync/contract/audit.ts';
import { commitBatches } from '../../server/intake/commit-batches.ts';
import { auditJournal } from '../../server/intake/journal-audit.ts';
import { readCommitted, journalKey } from '../../server/intake/journal-store.ts';
import { verdictOf } from '../../server/intake/judge.ts';
import { Quarantine } from '../../server/intake/quarantine.ts';
import type { QuarantinedEntry } from '../../server/intake/quarantine.ts';
import { readTrialBalance } from '../../server/ledger/ledger-store.ts';
import { putProgramme } from '../../server/programme/programme-store.ts';
import { programme } from './programme.ts';
import { onEmbedded, suitePorts } from './suite-databases.ts';
import { TestTill } from './test-till.ts';

const { database } = onEmbedded();
const { clock } = suitePorts;
const BY = { settledBy: 'it-7', reason: 'the copied disk of till 3' };

const send = async (batch: JournalBatch): Promise<readonly string[]> => {
  const [judged = []] = await commitBatches(database(), [batch], clock);
  return judged.map((judgement) => verdictOf(judgement).verdict);
};

function quarantine(): Quarantine {
  return new Quarantine({
    database: database(),
    clock,
    log: silentLog,
    onCommitted: () => {},
    onTaken: () => {},
  });
}

/** What a till's rejoining makes of its journal: every entry once more, under a new incarnation. */
function rejoined(till: TestTill, entries: readonly JournalEntry[] = till.entries): TestTill {
  const fresh = new TestTill(till.till, till.random);
  for (const entry of entries) {
    fresh.entries.push(resealEntry(fresh.entries.at(-1) ?? { seq: 0, hash: genesisHash(fresh) }, entry));
  }
  return fresh;
}

async function posted(...entries: readonly JournalEntry[]): Promise<readonly number[]> {
  const counts = entries.map(async ({ body }) => {
    const { saleId, kind } = JSON.parse(body) as { saleId: string; kind: string }; // made by TestTill
    const key = `${kind === 'sale.voided' ? 'void' : 'sale'}:${saleId}`;
    const rows = await database()
      .db.selectFrom('ledger_transaction')
      .select('id')
      .where('idempotency_key', '=', key)
      .execute();
    return rows.length;
  });
  return Promise.all(counts);
}

const keyOf = ({
  till,
  incarnation,
  seq,
  hash,
}: QuarantinedEntry): {
  till: string;
  incarnation: string;
  seq: number;
  hash: string;
} => ({ till, incarnation, seq, hash });

async function standing(till: TestTill): Promise<{ contiguous: number; hash: string | null }> {
  const committed = await readCommitted(database().db, [till]);
  const { contiguous = 0, hash = null } = committed.get(journalKey(till)) ?? {};
  return { contiguous, hash };
}

/** Two tills with one journal of `common` sales, each of which went on by itself. */
function clones(common: number, more: number): { readonly a: TestTill; readonly b: TestTill } {
  const a = new TestTill();
  for (let i = 0; i < common; i += 1) a.sell(a.index(), 100);
  const b = a.clone();
  for (let i = 0; i < more; i += 1) {
    a.sell(a.index(), 100);
    b.sell(b.index(), 200);
  }
  return { a, b };
}

describe('a copied disk', () => {
  test('the sales of both are in the ledger once after one of them rejoined', async () => {
    await database().transaction((tx) => putProgramme(tx, { ...programme, version: 1 }, 1));
    const { a, b } = clones(3, 2);
    expect(await send(a.batch())).toEqual(Array(5).fill('created'));
    expect(await send(b.batch())).toEqual(['exists', 'exists', 'exists', 'conflict', 'conflict']);
    expect(await quarantine().list({ till: a.till, open: true, limit: 10 })).toMatchObject([
      { seq: 4, code: 'LEDGER_CONFLICT', intact: true, stands: false, settlement: null },
      { seq: 5, code: 'LEDGER_CONFLICT' },
    ]);

    const again = rejoined(b);
    expect(await send(again.batch())).toEqual(['exists', 'exists', 'exists', 'created', 'created']);
    expect(await send(again.batch())).toEqual(Array(5).fill('exists'));
    // What the till holds its own last hash against before it believes that all arrived.
    expect(await standing(again)).toEqual({ contiguous: 5, hash: again.entries.at(-1)?.hash });
    expect(await posted(...a.entries, ...b.entries)).toEqual(Array(10).fill(1));
    expect((await readTrialBalance(database().db)).balanced).toBe(true);
    // There is nothing left to be decided.
    expect(await quarantine().list({ till: a.till, open: true, limit: 10 })).toEqual([]);
    expect(await quarantine().list({ till: a.till, open: false, limit: 10 })).toMatchObject([
      { seq: 4, stands: true },
      { seq: 5, stands: true },
    ]);
    const sale = again.sell(again.index(), 100);
    expect(await send(again.batch(6))).toEqual(['created']);
    expect(await posted(sale)).toEqual([1]);
  });

  test('a sale entered again keeps what is voided by the id of its first entry', async () => {
    const { a, b } = clones(1, 0);
    await send(a.batch());
    const known = b.entries[0];
    const sold = b.sell(b.index(), 300);
    a.sell(a.index(), 100);
    await send(a.batch());
    if (known === undefined) throw new Error('no sale');
    b.undo(known);
    b.undo(sold);
    await send(b.batch());
    const again = rejoined(b);
    expect(await send(again.batch())).toEqual(['exists', 'created', 'created', 'created']);
    expect(await posted(...again.entries)).toEqual([1, 1, 1, 1]);
    expect((await readTrialBalance(database().db)).balanced).toBe(true);
  });

  test('what continues a contradiction bars nobody’s way, in the same batch or a later one', async () => {
    const { a, b } = clones(2, 6);
    await send(a.batch(1, 3));
    expect(await send(b.batch(3, 4))).toEqual(['conflict', 'conflict']);
    expect(await send(b.batch(5, 6))).toEqual(['conflict', 'conflict']);
    expect(await send(b.batch(7, 8))).toEqual(['conflict', 'conflict']);
    expect(await send(a.batch(4))).toEqual(Array(5).fill('created'));
    expect(await standing(a)).toMatchObject({ contiguous: 8 });
  });

  test('an entry with the id of another and other words is a contradiction, rejoined or not', async () => {
    const till = new TestTill();
    const first = till.sell(till.index(), 100);
    await send(till.batch());
    const other = new TestTill(till.till, till.random);
    const start = { seq: 0, hash: genesisHash(other) };
    other.entries.push(resealEntry(start, { ...first, body: first.body.replace('100', '900') }));
    expect(await send(other.batch())).toEqual(['conflict']);
    other.entries[0] = resealEntry(start, { ...first, at: first.at + 1 });
    expect(await send(other.batch())).toEqual(['conflict']);
    expect(await posted(first)).toEqual([1]);
  });

  test('entered again together with the first time, in one group, it counts once', async () => {
    const { a, b } = clones(2, 1);
    const again = rejoined(b);
    await commitBatches(database(), [again.batch(), a.batch(), b.batch()], clock);
    expect(await posted(...a.entries, ...b.entries)).toEqual(Array(6).fill(1));
    expect(await standing(a)).toMatchObject({ contiguous: 3 });
    expect(await standing(again)).toMatchObject({ contiguous: 3 });
  });

  test('whatever arrived of both before, and however often one rejoins, each sale counts once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ clone: fc.boolean(), from: fc.nat(5), length: fc.integer({ min: 1, max: 4 }) }),
          {
            maxLength: 6,
          },
        ),
        fc.integer({ min: 1, max: 3 }),
        async (sent, rejoins) => {
          const { a, b } = clones(2, 3);
          for (const { clone, from, length } of sent) {
            const till = clone ? b : a;
            const first = Math.min(from + 1, 5);
            await send(till.batch(first, Math.min(5, first + length - 1)));
          }
          // Interleaved, either may have taken the other's place: then both have to rejoin.
          let [left, right] = [rejoined(a), rejoined(b)];
          for (let i = 0; i < rejoins; i += 1) {
            const verdicts = [...(await send(left.batch())), ...(await send(right.batch()))];
            expect(verdicts.filter((verdict) => verdict !== 'created' && verdict !== 'exists')).toEqual([]);
            expect(await standing(left)).toMatchObject({ contiguous: 5 });
            [left, right] = [rejoined(left), rejoined(right)];
          }
          expect(new Set(await posted(...a.entries, ...b.entries))).toEqual(new Set([1]));
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe('settling by hand', () => {
  test('an accepted entry is posted once, however often, and whether or not its till comes with it again', async () => {
    const { a, b } = clones(1, 2);
    await send(a.batch());
    await send(b.batch());
    const [first, second] = await quarantine().list({ till: a.till, open: true, limit: 10 });
    if (first === undefined || second === undefined) throw new Error('nothing in quarantine');
    const settled = await quarantine().accept(keyOf(first), BY);
    expect(settled).toMatchObject({ decision: 'accepted', outcome: 'created', ...BY });
    expect(await quarantine().accept(keyOf(first), { ...BY, settledBy: 'it-8' })).toEqual(settled);
    const again = rejoined(b);
    expect(await send(again.batch())).toEqual(['exists', 'exists', 'created']);
    // The other way round: it came first, and is accepted then.
    expect(await quarantine().accept(keyOf(second), BY)).toMatchObject({ outcome: 'exists' });
    expect(await posted(...b.entries)).toEqual([1, 1, 1]);
    expect(await quarantine().list({ till: a.till, open: true, limit: 10 })).toEqual([]);
    expect((await readTrialBalance(database().db)).balanced).toBe(true);
  });

  test('accepted by two at once it is posted once', async () => {
    const { a, b } = clones(0, 1);
    await send(a.batch());
    await send(b.batch());
    const [entry] = await quarantine().list({ till: a.till, open: true, limit: 10 });
    if (entry === undefined) throw new Error('nothing in quarantine');
    const [one, two] = await Promise.all([
      quarantine().accept(keyOf(entry), BY),
      quarantine().accept(keyOf(entry), BY),
    ]);
    expect(one).toEqual(two);
    expect(await posted(...b.entries)).toEqual([1]);
  });

  test('a dismissed entry is not posted, is kept with its reason, and cannot be accepted any more', async () => {
    const { a, b } = clones(0, 1);
    await send(a.batch());
    await send(b.batch());
    const [entry] = await quarantine().list({ till: a.till, open: true, limit: 10 });
    if (entry === undefined) throw new Error('nothing in quarantine');
    expect(await quarantine().dismiss(keyOf(entry), BY)).toMatchObject({ decision: 'dismissed', ...BY });
    await expect(quarantine().accept(keyOf(entry), BY)).rejects.toThrow(
      expect.objectContaining({ code: 'QUARANTINE_SETTLED' }),
    );
    expect(await posted(...b.entries)).toEqual([0]);
    expect(await quarantine().list({ till: a.till, open: true, limit: 10 })).toEqual([]);
  });

  test('what was tampered with can only be dismissed', async () => {
    const till = new TestTill();
    till.sell(till.index(), 100);
    const [entry] = till.entries;
    if (entry === undefined) throw new Error('no sale');
    till.entries[0] = { ...entry, body: entry.body.replace('100', '900') };
    expect(await send(till.batch())).toEqual(['conflict']);
    const [found] = await quarantine().list({ till: till.till, open: true, limit: 10 });
    expect(found).toMatchObject({ code: 'LEDGER_CHAIN', intact: false });
    if (found === undefined) return;
    await expect(quarantine().accept(keyOf(found), BY)).rejects.toThrow(
      expect.objectContaining({ code: 'LEDGER_CHAIN' }),
    );
    expect(await quarantine().dismiss(keyOf(found), BY)).toMatchObject({ decision: 'dismissed' });
    await expect(quarantine().dismiss({ ...keyOf(found), seq: 9 }, BY)).rejects.toThrow(
      expect.objectContaining({ code: 'API_NOT_FOUND' }),
    );
  });
});

test('the server’s blocks are what a till holds its journal against', async () => {
  const { a, b } = clones(3, 3);
  await send(a.batch());
  await send(b.batch());
  const stretch = { afterSeq: 0, toSeq: 100, blockEntries: 2 };
  const own = (till: TestTill) => ({
    anchorSeq: 0,
    lastSeq: till.entries.length,
    hashAt: (seq: number) => till.entries[seq - 1]?.hash,
  });
  const { blocks, misfit } = await auditJournal(database().db, a, stretch);
  expect(misfit).toBeNull();
  expect(compareAudit(own(a), blocks)).toEqual({ kind: 'same', upToSeq: 6 });
  expect(compareAudit(own(b), blocks)).toEqual({ kind: 'differs', afterSeq: 2, bySeq: 4 });
  const single = await auditJournal(database().db, a, { ...stretch, afterSeq: 2, blockEntries: 1 });
  expect(compareAudit({ ...own(b), anchorSeq: 2 }, single.blocks)).toEqual({
    kind: 'differs',
    afterSeq: 3,
    bySeq: 4,
  });
  // The place of what was entered again has no text of its own, and its chain is whole all the same.
  const again = rejoined(a);
  await send(again.batch());
  const audit = await auditJournal(database().db, again, stretch);
  expect(audit.misfit).toBeNull();
  expect(compareAudit(own(again), audit.blocks)).toEqual({ kind: 'same', upToSeq: 6 });
});
