import type { Clock, Instant } from '../../foundation/clock.ts';
import { singleForm } from '../../sync/contract/blind-index.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import type { JournalBatch } from '../../sync/contract/messages.ts';
import type { JournalOwner } from '../../sync/contract/journal-entry.ts';
import type { Database, DatabaseTransaction } from '../database/database.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import { changeOwnership, holdOwnership } from '../ledger/claim.ts';
import { reKey, stepsFrom } from '../identifiers/re-key.ts';
import type { TakenCard } from '../cards/take-bank-card.ts';
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
import { judgeLinks, underNewestIndex } from './judge-links.ts';
import { linksIn, postLink, readLinkFacts } from './post-links.ts';
import { recordClaims, settleClaims } from './post-claims.ts';
import { postSales, readPostedSales } from './post-sales.ts';
import type { EnteredSale } from './post-sales.ts';
import type { EnteredReturn } from './post-returns.ts';

/**
 * Takes batches into journal and ledger in one transaction, with few statements however many entries there are, and
 * says what became of each entry of each batch. The same entries any number of times, in any order, have one effect.
 * @param unpostable ids of entries to keep as refused, because the database did not take what they say
 * @param controller who is responsible for what customers agree to, as their consents name it
 * @throws StammkundeError DB_UNREACHABLE; any other error leaves nothing behind either
 */
export function commitBatches(
  database: Database,
  batches: readonly JournalBatch[],
  clock: Clock,
  unpostable: ReadonlySet<string> = new Set(),
  controller = 'stammkunde',
  indexer: IndexForms = singleForm,
  receiptKeyOf?: ReceiptKeyOf,
): Promise<readonly (readonly Judgement[])[]> {
  return database.transaction((tx) =>
    commit(tx, batches, { now: clock.now(), unpostable, controller, indexer, receiptKeyOf }),
  );
}

interface Circumstances {
  readonly now: Instant;
  readonly unpostable: ReadonlySet<string>;
  readonly controller: string;
  readonly indexer: IndexForms;
  readonly receiptKeyOf: ReceiptKeyOf | undefined;
}

/** The key of a till's receipts. */
export type ReceiptKeyOf = (till: TillId) => Uint8Array;

async function commit(
  tx: DatabaseTransaction,
  batches: readonly JournalBatch[],
  { now, unpostable, controller, indexer, receiptKeyOf }: Circumstances,
): Promise<readonly (readonly Judgement[])[]> {
  await (batches.some(mayLink) ? changeOwnership(tx) : holdOwnership(tx));
  await lockJournals(tx, distinctOwners(batches), now);
  const standing = await readStanding(tx, batches.map(rangeOf));
  const ids = batches.flatMap((batch) => batch.entries.map((entry) => entry.id));
  const chained = judgeBatches(batches, standing, await readTakenIds(tx, ids), unpostable);
  const saleKeys = chained.flat().flatMap((judgement) => saleKeyOf(judgement) ?? []);
  const sold = refuseRepeatedSales(chained, await readPostedSales(tx, saleKeys));
  const judged = await judgeLinked(tx, sold, { now, indexer });

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
  const { differing, taken } = await enter(tx, all, { now, controller, indexer, receiptKeyOf });
  await advanceProgress(tx, distinctOwners(added.map(({ owner }) => owner)), now);
  return judged.map((batch) =>
    batch.map((judgement): Judgement => {
      if (judgement.kind !== 'accepted') return judgement;
      const differs = differing.get(judgement.entry.id);
      const card = taken.get(judgement.entry.id);
      return {
        ...judgement,
        ...(differs === undefined ? {} : { differs }),
        ...(card === undefined ? {} : { taken: card }),
      };
    }),
  );
}

/** Judges the links among the entries, each card under its newest index; one still under an older is moved first. */
async function judgeLinked(
  tx: DatabaseTransaction,
  sold: readonly (readonly Judgement[])[],
  { now, indexer }: Pick<Circumstances, 'now' | 'indexer'>,
): Promise<readonly (readonly Judgement[])[]> {
  const told = linksIn(sold);
  if (told.length === 0) return sold;
  await reKey(
    tx,
    told.flatMap(({ credential }) => stepsFrom(indexer, credential.index)),
  );
  const lifted = sold.map((batch) => batch.map((judgement) => underNewestIndex(judgement, indexer)));
  return judgeLinks(lifted, await readLinkFacts(tx, linksIn(lifted), { now, indexer }));
}

/**
 * Whether a batch may hold a link, which changes whose a card is. Such an entry has this word in its text, or letters
 * written as escapes; one that has it for another reason only waits a little longer.
 */
function mayLink({ entries }: JournalBatch): boolean {
  return entries.some(({ body }) => body.includes('credential.') || body.includes('\\u'));
}

interface Entered {
  readonly differing: ReadonlyMap<string, PointsDiffer>;
  readonly taken: ReadonlyMap<string, TakenCard>;
}

/** Posts what was accepted: sales, returns and voids together, but none past a link, which changes whose sales they are. */
async function enter(
  tx: DatabaseTransaction,
  judged: readonly Judgement[],
  circumstances: Pick<Circumstances, 'now' | 'controller' | 'indexer' | 'receiptKeyOf'>,
): Promise<Entered> {
  const differing = new Map<string, PointsDiffer>();
  const taken = new Map<string, TakenCard>();
  let sales: EnteredSale[] = [];
  let returns: EnteredReturn[] = [];
  let claims: { readonly entryId: string; readonly saleId: string }[] = [];
  const flush = async (): Promise<void> => {
    if (sales.length === 0 && returns.length === 0 && claims.length === 0) return;
    for (const [id, differs] of await postSales(tx, sales, returns, circumstances)) {
      differing.set(id, differs);
    }
    const touched = [
      ...sales.map(({ transaction }) => transaction.saleId),
      ...claims.map(({ saleId }) => saleId),
    ];
    await recordClaims(tx, claims);
    await settleClaims(tx, touched, circumstances);
    [sales, returns, claims] = [[], [], []];
  };
  for (const judgement of judged) {
    if (judgement.kind !== 'accepted') continue;
    const { owner, entry, transaction } = judgement;
    const place = { owner, entryId: entry.id, seq: entry.seq };
    switch (transaction.kind) {
      case 'sale.completed':
        sales.push({ ...place, transaction });
        break;
      case 'sale.voided':
      case 'sale.returned':
        returns.push({ ...place, transaction });
        break;
      case 'sale.claimed':
        claims.push({ entryId: entry.id, saleId: transaction.saleId });
        break;
      case 'credential.linked':
      case 'credential.unlinked': {
        await flush();
        const card = await postLink(tx, judgement, transaction, circumstances);
        if (card !== undefined) taken.set(entry.id, card);
        break;
      }
    }
  }
  await flush();
  return { differing, taken };
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
