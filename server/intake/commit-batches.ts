import type { Clock, Instant } from '../../foundation/clock.ts';
import type { JournalBatch } from '../../sync/contract/messages.ts';
import type { JournalOwner } from '../../sync/contract/journal-entry.ts';
import type { Database, DatabaseTransaction } from '../database/database.ts';
import { holdOwnership } from '../ledger/claim.ts';
import {
  advanceProgress,
  insertJournal,
  lockJournals,
  quarantine,
  readStanding,
  readTakenIds,
} from './journal-store.ts';
import { judgeBatches, refuseRepeatedSales, saleKeyOf } from './judge.ts';
import type { Judgement, PointsDiffer } from './judge.ts';
import { postSales, readPostedSales } from './post-sales.ts';
import type { EnteredSale, EnteredVoid } from './post-sales.ts';

/**
 * Takes batches into journal and ledger in one transaction, with few statements however many entries there are, and
 * says what became of each entry of each batch. The same entries any number of times, in any order, have one effect.
 * @param unpostable ids of entries to keep as refused, because the database did not take what they say
 * @throws StammkundeError DB_UNREACHABLE; any other error leaves nothing behind either
 */
export function commitBatches(
  database: Database,
  batches: readonly JournalBatch[],
  clock: Clock,
  unpostable: ReadonlySet<string> = new Set(),
): Promise<readonly (readonly Judgement[])[]> {
  return database.transaction((tx) => commit(tx, batches, clock.now(), unpostable));
}

async function commit(
  tx: DatabaseTransaction,
  batches: readonly JournalBatch[],
  now: Instant,
  unpostable: ReadonlySet<string>,
): Promise<readonly (readonly Judgement[])[]> {
  await holdOwnership(tx);
  await lockJournals(tx, distinctOwners(batches), now);
  const standing = await readStanding(tx, batches.map(rangeOf));
  const ids = batches.flatMap((batch) => batch.entries.map((entry) => entry.id));
  const chained = judgeBatches(batches, standing, await readTakenIds(tx, ids), unpostable);
  const saleKeys = chained.flat().flatMap((judgement) => saleKeyOf(judgement) ?? []);
  const judged = refuseRepeatedSales(chained, await readPostedSales(tx, saleKeys));

  const all = judged.flat();
  const added = all.filter((judgement) => judgement.kind === 'accepted' || judgement.kind === 'refused');
  await insertJournal(
    tx,
    added.map((judgement) => ({
      owner: judgement.owner,
      entry: judgement.entry,
      verdict: judgement.kind === 'accepted' ? 'created' : 'refused',
      code: judgement.kind === 'accepted' ? null : judgement.code,
    })),
    now,
  );
  await quarantine(
    tx,
    all.filter((judgement) => judgement.kind === 'contradicting'),
    now,
  );
  const { sales, voids } = enter(all);
  const differing = await postSales(tx, sales, voids, now);
  await advanceProgress(tx, distinctOwners(added.map(({ owner }) => owner)), now);
  return differing.size === 0
    ? judged
    : judged.map((batch) => batch.map((judgement) => withDifference(judgement, differing)));
}

function withDifference(judgement: Judgement, differing: ReadonlyMap<string, PointsDiffer>): Judgement {
  const differs = judgement.kind === 'accepted' ? differing.get(judgement.entry.id) : undefined;
  return differs === undefined || judgement.kind !== 'accepted' ? judgement : { ...judgement, differs };
}

function enter(judged: readonly Judgement[]): {
  readonly sales: readonly EnteredSale[];
  readonly voids: readonly EnteredVoid[];
} {
  const sales: EnteredSale[] = [];
  const voids: EnteredVoid[] = [];
  for (const judgement of judged) {
    if (judgement.kind !== 'accepted') continue;
    const { owner, entry, transaction } = judgement;
    const place = { owner, entryId: entry.id, seq: entry.seq };
    switch (transaction.kind) {
      case 'sale.completed':
        sales.push({ ...place, transaction });
        break;
      case 'sale.voided':
        voids.push({ ...place, transaction });
        break;
    }
  }
  return { sales, voids };
}

/** Each journal once, in one order, so that two servers cannot wait for each other. */
export function distinctOwners(owners: readonly JournalOwner[]): readonly JournalOwner[] {
  const byKey = new Map(
    owners.map(({ till, incarnation }) => [`${till}/${incarnation}`, { till, incarnation }]),
  );
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, owner]) => owner);
}

function rangeOf(batch: JournalBatch): { owner: JournalOwner; from: number; to: number } {
  const from = batch.entries[0]?.seq ?? 1;
  return { owner: batch, from, to: from + batch.entries.length - 1 };
}
