import { readFileSync } from 'node:fs';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import { replicaCollectionNames, replicaCollections } from '../../sync/contract/replica-documents.ts';
import type { Queries } from '../../server/database/database.ts';
import type { MemoryEngine } from '../../server/database/memory-engine.ts';
import { readFeedPage } from '../../server/feed/feed-store.ts';
import { readTrialBalance } from '../../server/ledger/ledger-store.ts';
import { unclaimedAccount, memberAccount } from '../../server/ledger/accounts.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { Observer } from './observer.ts';
import type { Pos } from './pos.ts';
import { MINOR_PER_POINT } from './world-rules.ts';
import type { WorldTill } from './world-till.ts';

const PAGE = 500;

export interface CheckedWorld {
  readonly engine: MemoryEngine;
  readonly db: Queries;
  readonly epoch: string;
  readonly tills: readonly WorldTill[];
  readonly poses: readonly Pos[];
  readonly observer: Observer;
  readonly indexer: BlindIndexer;
}

interface StoredEntry {
  readonly till: string;
  readonly incarnation: string;
  readonly seq: number;
  readonly id: string;
  readonly hash: string;
  readonly body: string;
  readonly verdict: string;
  readonly code: string | null;
}

/** Looks at a world that has come to rest from outside, and says what is wrong with it. */
export async function checkWorld(world: CheckedWorld): Promise<readonly string[]> {
  const { engine, tills, observer } = world;
  const stored = await engine.query<StoredEntry>(
    'select till, incarnation, seq, id, hash, body, verdict, code from till_journal order by till, incarnation, seq',
  );
  const wrong = [...observer.seen];
  for (const till of tills) if (till.broken !== undefined) wrong.push(`${till.name}: ${till.broken.message}`);
  wrong.push(...(await checkToldSales(world, stored)));
  wrong.push(...checkJournals(world, stored));
  wrong.push(...checkGhosts(world, stored));
  wrong.push(...(await checkLedger(world)));
  wrong.push(...(await checkReplicas(world)));
  const { length: quarantined } = await engine.query('select from journal_quarantine');
  if (quarantined > 0) wrong.push(`${quarantined} entries are in quarantine, and no disk was copied`);
  for (const till of tills)
    observer.read(`the journal of ${till.name}`, readFileSync(till.disk.file, 'latin1'));
  for (const { body } of stored) observer.read("the server's journal", body);
  return wrong;
}

/** Every sale the POS was told of is in the ledger exactly once, with the same hash. */
async function checkToldSales(
  { engine, poses }: CheckedWorld,
  stored: readonly StoredEntry[],
): Promise<readonly string[]> {
  const byId = Map.groupBy(stored, ({ id }) => id);
  const posted = new Map(
    (
      await engine.query<{ key: string; count: number }>(
        'select idempotency_key as key, count(*) as count from ledger_transaction group by 1',
      )
    ).map(({ key, count }) => [key, Number(count)]),
  );
  const returned = poses.flatMap(({ toldReturns }) =>
    toldReturns.flatMap(({ till, returnId, saleId }) => {
      const count = posted.get(`return:${returnId}`) ?? 0;
      return count === 1
        ? []
        : [`what ${till} was told to take back of ${saleId} is in the ledger ${count} times`];
    }),
  );
  const sold = poses.flatMap(({ told }) =>
    told.flatMap(({ kind, till, saleId, entry }) => {
      const at = byId.get(entry.id) ?? [];
      const what = `the ${kind} sale ${saleId} of ${till}`;
      const [first] = at;
      if (first === undefined) return [`${what} was told and is not on the server`];
      if (at.length > 1) return [`${what} is on the server ${at.length} times`];
      if (first.hash !== entry.hash || first.seq !== entry.seq || first.till !== till)
        return [`${what} is another one on the server`];
      if (first.verdict !== 'created') return [`${what} was refused: ${first.code}`];
      const count = posted.get(`${kind === 'completed' ? 'sale' : 'void'}:${saleId}`) ?? 0;
      return count === 1 ? [] : [`${what} is in the ledger ${count} times`];
    }),
  );
  return [...sold, ...returned];
}

/** No holes, and the server's copy of each journal is that of the till. */
function checkJournals({ tills }: CheckedWorld, stored: readonly StoredEntry[]): readonly string[] {
  const byTill = Map.groupBy(stored, ({ till }) => till);
  return tills.flatMap((till) => {
    const journal = till.process?.journal;
    if (journal === undefined) return [`${till.name} does not run`];
    const wrong: string[] = [];
    const own = new Map<number, JournalEntry>();
    for (const entry of journal.read(0, Number.MAX_SAFE_INTEGER)) own.set(entry.seq, entry);
    try {
      journal.verify();
    } catch (error) {
      wrong.push(`${till.name}: its chain is broken: ${String(error)}`);
    }
    if (journal.unconfirmed > 0) {
      const { upload } = till.status ?? {};
      wrong.push(
        `${till.name} waits for the server with ${journal.unconfirmed} entries (${upload?.divergence})`,
      );
    }
    const theirs = byTill.get(till.name) ?? [];
    if (theirs.length !== own.size) {
      wrong.push(`${till.name} has ${own.size} entries, the server ${theirs.length} of it`);
    }
    for (const { seq, hash } of theirs) {
      if (own.get(seq)?.hash !== hash)
        wrong.push(`entry ${seq} of ${till.name} is another one on the server`);
    }
    return wrong;
  });
}

interface StoredTransaction {
  readonly kind: string;
  readonly saleId: string;
  readonly returnId?: string;
  readonly basket?: { readonly totalMinor: number };
}

/** Nothing is on the server that no POS wanted. */
function checkGhosts({ poses }: CheckedWorld, stored: readonly StoredEntry[]): readonly string[] {
  const wanted = new Map(poses.flatMap((pos) => [...pos.wanted]));
  return stored.flatMap(({ body, till, seq }) => {
    // The bodies were checked when they were taken in.
    const sale = JSON.parse(body) as StoredTransaction;
    const order = wanted.get(sale.saleId);
    if (sale.kind === 'sale.returned') {
      return order?.returns.get(sale.returnId ?? '') === till
        ? []
        : [`entry ${seq} of ${till} is a return nobody made`];
    }
    if (order === undefined || order.till !== till) return [`entry ${seq} of ${till} is a sale nobody made`];
    if (sale.kind === 'sale.voided')
      return order.voids ? [] : [`entry ${seq} of ${till} voids what nobody voided`];
    return sale.basket?.totalMinor === order.basket.totalMinor
      ? []
      : [`entry ${seq} of ${till} has another total`];
  });
}

/** Debits, credits and balances agree with each other, and with what the POS sold. */
async function checkLedger({ engine, db, poses, indexer }: CheckedWorld): Promise<readonly string[]> {
  const wrong: string[] = [];
  const trial = await readTrialBalance(db);
  if (!trial.balanced) wrong.push(`the ledger does not balance: ${JSON.stringify(trial)}`);
  const owners = new Map(
    (
      await engine.query<{ index: string; owner: string | null }>(
        'select index, customer_id as owner from credential',
      )
    ).map(({ index, owner }) => [index, owner]),
  );
  const expected = new Map<string, number>();
  for (const { told, wanted } of poses) {
    const voided = new Set(told.filter(({ kind }) => kind === 'voided').map(({ saleId }) => saleId));
    for (const { kind, saleId } of told) {
      const { card, basket, returns } = wanted.get(saleId) ?? {};
      if (kind !== 'completed' || voided.has(saleId) || card === undefined || basket === undefined) continue;
      if (returns !== undefined && returns.size > 0) continue;
      const index = indexer.index(card.kind, card.number);
      const owner = owners.get(index);
      const account = owner === undefined || owner === null ? unclaimedAccount(index) : memberAccount(owner);
      const points = Math.floor(basket.totalMinor / MINOR_PER_POINT);
      expected.set(account, (expected.get(account) ?? 0) + points);
    }
  }
  const balances = new Map(
    (
      await engine.query<{ id: string; balance: number }>(
        `select id, balance from ledger_account where id like 'member:%' or id like 'unclaimed:%'`,
      )
    ).map(({ id, balance }) => [id, balance]),
  );
  for (const account of new Set([...expected.keys(), ...balances.keys()])) {
    const [should, is] = [expected.get(account) ?? 0, balances.get(account) ?? 0];
    if (should !== is) wrong.push(`${account.slice(0, 20)}… has ${is} points, and was sold ${should}`);
  }
  return wrong;
}

/** Each replica holds what the server has. */
async function checkReplicas({ db, epoch, tills }: CheckedWorld): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const collection of replicaCollectionNames) {
    const server = new Map<string, string>();
    for (let after = null as Parameters<typeof readFeedPage>[2]['after']; ;) {
      const page = await readFeedPage(db, epoch, { kind: 'feed.page', collection, after, limit: PAGE });
      for (const { _deleted, ...document } of page.documents) {
        const key = String(document[replicaCollections[collection].primaryKey]);
        if (_deleted !== true) server.set(key, JSON.stringify(document));
        else server.delete(key);
      }
      after = page.position;
      if (!page.more) break;
    }
    for (const till of tills) {
      const held = till.documents.held[collection];
      const differing = [...new Set([...server.keys(), ...held.keys()])].filter(
        (key) => JSON.stringify(held.get(key)) !== server.get(key),
      );
      if (differing.length > 0) {
        wrong.push(
          `the replica of ${till.name} differs from the server in ${differing.length} ${collection}`,
        );
      }
    }
  }
  return wrong;
}
