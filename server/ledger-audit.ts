// What the database holds, held against itself:
//
//   till_journal ──hash chain──▶ each entry ──id, place──▶ ledger_transaction ──Σ = 0──▶ ledger_posting
//                                     ▲                           │                          │ Σ by account
//                                     └──────── its entry ────────┘                          ▼
//                                                          customer.points ◀── = ── ledger_account ── = ── point_lot
import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import { AuditWalk } from '../sync/contract/audit.ts';
import type { AuditEntry } from '../sync/contract/audit.ts';
import { entryHash, genesisHash } from '../sync/contract/journal-entry.ts';
import type { JournalOwner } from '../sync/contract/journal-entry.ts';
import type { Transaction } from '../sync/contract/transaction.ts';
import type { Queries } from './database/database.ts';
import type { LedgerKind } from './database/tables.ts';
import { sealedText } from './intake/journal-audit.ts';
import { saleKey } from './intake/judge.ts';
import { readBody } from './intake/read-body.ts';
import { readTrialBalance } from './ledger/ledger-store.ts';
import type { TrialBalance } from './ledger/ledger-store.ts';

/** Rows in memory at once; each may have a million characters. */
const PAGE = 100;
const JOURNALS_PAGE = 500;
/** Blocks are of no use here. */
const ONE_BLOCK = Number.MAX_SAFE_INTEGER;
/** Differences that are named; there is always a first. */
const DIFFERENCES_MAX = 100;

/** Something that is not what it must be. */
export interface LedgerDifference {
  /** The journal and the entry, where one is concerned. */
  readonly till?: string;
  readonly incarnation?: string;
  readonly seq?: number;
  /** Of the entry, which is that of its ledger transaction as well. */
  readonly id?: string;
  /** The ledger's account, where one is concerned. */
  readonly account?: string;
  readonly what: string;
}

export interface LedgerAudit {
  readonly journals: number;
  readonly entries: number;
  /** Entries of which only the hash is kept: a card in them was erased, or their text stands elsewhere. */
  readonly withoutText: number;
  /** Journals that wait for entries in between, which their tills will send again. */
  readonly waiting: number;
  /** Of the whole ledger; null when one till was asked for. */
  readonly sums: Pick<TrialBalance, 'transactions' | 'debits' | 'credits' | 'customerPoints'> | null;
  /** In the order they were found, the first 100: journals, then the ledger. */
  readonly differences: readonly LedgerDifference[];
}

/**
 * Recomputes journals and ledger, in pages, and names what differs. To be given one transaction that sees one state
 * (`repeatable read`): what comes in meanwhile would look like a difference.
 * @param till whose journals and ledger transactions alone are looked at; undefined: all, and every account
 */
export async function auditLedger(db: Queries, till?: string): Promise<LedgerAudit> {
  const found: LedgerDifference[] = [];
  const counts = { journals: 0, entries: 0, withoutText: 0, waiting: 0 };
  for (let after: Journal | undefined; ;) {
    const page = await readJournals(db, till ?? null, after);
    for (const journal of page) {
      if (found.length < DIFFERENCES_MAX) await auditOne(db, journal, counts, found);
    }
    after = page.at(-1);
    if (after === undefined) break;
  }
  for (const check of till === undefined
    ? [...ofTransactions(null), ...ofAccounts()]
    : ofTransactions(till)) {
    if (found.length < DIFFERENCES_MAX) found.push(...(await check.execute(db)).rows.map(withoutNulls));
  }
  const trial = till === undefined ? await readTrialBalance(db) : undefined;
  const sums =
    trial === undefined
      ? null
      : {
          transactions: trial.transactions,
          debits: trial.debits,
          credits: trial.credits,
          customerPoints: trial.customerPoints,
        };
  if (trial !== undefined && !trial.balanced && found.length === 0)
    found.push({ what: 'customers do not have the points their accounts have' });
  return { ...counts, sums, differences: found.slice(0, DIFFERENCES_MAX) };
}

interface Journal extends JournalOwner {
  readonly contiguous: number | null;
  readonly highest: number | null;
}

async function readJournals(
  db: Queries,
  till: string | null,
  after: Journal | undefined,
): Promise<readonly Journal[]> {
  const { rows } = await sql<Journal>`
    select o.till, o.incarnation, p.contiguous, p.highest
    from (select till, incarnation from till_journal union select till, incarnation from till_progress) o
    left join till_progress p on p.till = o.till and p.incarnation = o.incarnation
    where (${till}::text is null or o.till = ${till}::text)
      and (${after === undefined}::boolean
           or (o.till, o.incarnation) > (${after?.till ?? ''}::text, ${after?.incarnation ?? null}::uuid))
    order by o.till, o.incarnation limit ${JOURNALS_PAGE}::bigint`.execute(db);
  return rows;
}

interface EntryRow extends AuditEntry {
  /** As it lies there, which after an erasure is not what was sealed. */
  readonly text: string;
  readonly verdict: 'created' | 'refused';
  readonly ledgerKind: LedgerKind | null;
  readonly ledgerKey: string | null;
  readonly ledgerPlace: boolean;
  /** Points its parts add up to, of a sale; null when they were not noted. */
  readonly parts: number | null;
  /** Points issued by it. */
  readonly issued: number;
  /** Of a return or void. */
  readonly returnState: string | null;
}

/** Walks one journal; the first entry whose chain breaks and each that does not stand in the ledger as it says. */
async function auditOne(
  db: Queries,
  journal: Journal,
  counts: { journals: number; entries: number; withoutText: number; waiting: number },
  found: LedgerDifference[],
): Promise<void> {
  const { till, incarnation, highest } = journal;
  const contiguous = journal.contiguous ?? 0;
  const owner = { till, incarnation };
  const walk = new AuditWalk({ seq: 0, hash: genesisHash(owner) }, ONE_BLOCK);
  let last: AuditEntry | undefined;
  let chain: LedgerDifference | undefined;
  counts.journals += 1;
  for (let after = 0; ;) {
    const page = await readEntries(db, owner, after);
    for (const entry of page) {
      counts.entries += 1;
      if (entry.body === null) counts.withoutText += 1;
      // Up to there no entry may be missing; of those behind some may still be on their way.
      if (entry.seq <= contiguous) walk.take(entry);
      else chain ??= misfitBehind(entry, last);
      last = entry;
      const what = differsInLedger(entry);
      if (what !== undefined && found.length < DIFFERENCES_MAX)
        found.push({ ...owner, seq: entry.seq, id: entry.id, what });
    }
    after = page.at(-1)?.seq ?? 0;
    if (after === 0) break;
  }
  const lastSeq = last?.seq ?? 0;
  const { misfit } = walk;
  if (misfit !== undefined) chain = { seq: misfit.seq, what: misfit.what };
  else if (lastSeq < contiguous) chain = { seq: lastSeq + 1, what: 'missing' };
  else if (journal.contiguous === null) chain ??= { seq: 1, what: 'its progress is missing' };
  else if (highest !== lastSeq) chain ??= { seq: lastSeq + 1, what: 'missing' };
  if (chain !== undefined) found.unshift({ ...owner, ...chain });
  if (lastSeq > contiguous) counts.waiting += 1;
}

/** Held against the entry before it only where that is there. */
function misfitBehind(entry: AuditEntry, last: AuditEntry | undefined): LedgerDifference | undefined {
  const { seq, body } = entry;
  if (last !== undefined && last.seq === seq - 1 && last.hash !== entry.prevHash)
    return { seq, what: 'does not continue the chain' };
  if (body !== null && entryHash({ ...entry, body }) !== entry.hash)
    return { seq, what: 'has another content than was sealed' };
  return undefined;
}

async function readEntries(db: Queries, owner: JournalOwner, after: number): Promise<readonly EntryRow[]> {
  const { rows } = await sql<EntryRow>`
    select j.seq, j.id, j.at, j.prev_hash as "prevHash", j.hash, ${sealedText(sql`j.body`)} as body,
      j.body as text, j.verdict, t.kind as "ledgerKind", t.idempotency_key as "ledgerKey",
      coalesce(t.till = j.till and t.incarnation = j.incarnation and t.seq = j.seq, false) as "ledgerPlace",
      (select sum(part) from unnest(t.parts) part)::bigint as parts,
      coalesce((select -sum(p.points) from ledger_posting p
                where p.transaction_id = t.id and p.account_id = 'issued'), 0)::bigint as issued,
      r.state as "returnState"
    from till_journal j
    left join ledger_transaction t on t.id = j.id
    left join sale_return r on r.entry_id = j.id
    where j.till = ${owner.till} and j.incarnation = ${owner.incarnation}::uuid and j.seq > ${after}::bigint
    order by j.seq limit ${PAGE}::bigint`.execute(db);
  return rows;
}

/** What is wrong with how an entry stands in the ledger. */
function differsInLedger(entry: EntryRow): string | undefined {
  if (entry.verdict === 'refused')
    return entry.ledgerKind === null ? undefined : 'was refused and is in the ledger';
  const read = readBody(entry.text);
  if (read.kind === 'refused') return 'was accepted and cannot be read';
  const { transaction } = read;
  if (entry.ledgerKind === null)
    return mustBeInLedger(transaction, entry) ? 'was accepted and is not in the ledger' : undefined;
  if (!entry.ledgerPlace) return 'is in the ledger as another’s';
  switch (transaction.kind) {
    case 'sale.completed':
      if (entry.ledgerKind !== 'sale' || entry.ledgerKey !== saleKey(transaction.saleId))
        return 'is in the ledger as something else';
      return entry.parts === null || entry.parts === entry.issued
        ? undefined
        : `has ${entry.issued} points in the ledger, on its lines ${entry.parts}`;
    case 'sale.voided':
      return entry.ledgerKind === 'void' && entry.returnState === 'posted'
        ? undefined
        : 'is in the ledger as something else';
    case 'sale.returned':
      return entry.ledgerKind === 'return' && entry.returnState === 'posted'
        ? undefined
        : 'is in the ledger as something else';
    case 'sale.claimed':
      return entry.ledgerKind === 'late' ? undefined : 'is in the ledger as something else';
    case 'credential.linked':
    case 'credential.unlinked':
      return undefined;
  }
}

/** A return that waits for its sale, or was refused then, moved nothing; the void of an open sale has nothing to move. */
function mustBeInLedger(transaction: Transaction, { returnState }: EntryRow): boolean {
  switch (transaction.kind) {
    case 'sale.completed':
      return true;
    case 'sale.voided':
      return transaction.completed !== null && (returnState ?? 'posted') === 'posted';
    case 'sale.returned':
      return (returnState ?? 'posted') === 'posted';
    case 'sale.claimed':
    case 'credential.linked':
    case 'credential.unlinked':
      return false;
  }
}

interface FoundRow {
  readonly till: string | null;
  readonly incarnation: string | null;
  readonly seq: number | null;
  readonly id: string | null;
  readonly account: string | null;
  readonly what: string;
}

function withoutNulls({ till, incarnation, seq, id, account, what }: FoundRow): LedgerDifference {
  return {
    ...(till === null ? {} : { till }),
    ...(incarnation === null ? {} : { incarnation }),
    ...(seq === null ? {} : { seq }),
    ...(id === null ? {} : { id }),
    ...(account === null ? {} : { account }),
    what,
  };
}

/** One each: the first transaction that has no entry, or whose postings do not add up. */
function ofTransactions(till: string | null): readonly RawBuilder<FoundRow>[] {
  const wanted = sql`(${till}::text is null or t.till = ${till}::text)`;
  const place = sql`t.till, t.incarnation, t.seq, t.id, null::text as account`;
  return [
    sql<FoundRow>`
      select ${place}, 'is in the ledger as ' || t.kind || ' and has no accepted entry' as what
      from ledger_transaction t
      where ${wanted} and (t.till is not null or t.kind in ('sale', 'return', 'void', 'late'))
        and not exists (
          select from till_journal j
          where j.till = t.till and j.incarnation = t.incarnation and j.seq = t.seq and j.verdict = 'created'
            and (j.id = t.id or t.kind not in ('sale', 'return', 'void', 'late')))
      order by t.recorded_at, t.id limit 1`,
    sql<FoundRow>`
      select ${place}, 'its postings are out of balance by ' || sums.points as what
      from (select transaction_id as id, sum(points) as points from ledger_posting group by 1
            having sum(points) <> 0) sums
      join ledger_transaction t on t.id = sums.id
      where ${wanted} order by t.recorded_at, t.id limit 1`,
  ];
}

/** One each: the first account whose balance is not what its lines, its customer or its lots say. */
function ofAccounts(): readonly RawBuilder<FoundRow>[] {
  const nowhere = sql`null::text as till, null::uuid as incarnation, null::bigint as seq`;
  return [
    sql<FoundRow>`
      select ${nowhere}, p.transaction_id as id, p.account_id as account, 'a posting of no transaction' as what
      from ledger_posting p
      where not exists (select from ledger_transaction t where t.id = p.transaction_id)
      order by p.transaction_id limit 1`,
    sql<FoundRow>`
      select ${nowhere}, null::uuid as id, coalesce(a.id, s.id) as account,
        'has the balance ' || coalesce(a.balance, 0) || ', its postings add up to ' || coalesce(s.points, 0) as what
      from ledger_account a
      full join (select account_id as id, sum(points) as points from ledger_posting group by 1) s on s.id = a.id
      where coalesce(a.balance, 0) <> coalesce(s.points, 0) order by 5 limit 1`,
    sql<FoundRow>`
      select ${nowhere}, null::uuid as id, 'member:' || c.id as account,
        'has the balance ' || coalesce(a.balance, 0) || ', its customer ' || c.points || ' points' as what
      from customer c left join ledger_account a on a.id = 'member:' || c.id
      where c.points <> coalesce(a.balance, 0) order by c.id limit 1`,
    sql<FoundRow>`
      with lots as (
        select account, sum(remaining) filter (where not pending or account like 'unclaimed:%') as usable,
               sum(remaining) filter (where pending and account like 'member:%') as pending
        from point_lot group by account)
      select ${nowhere}, null::uuid as id, off.id as account,
        'has the balance ' || off.balance || ', its lots hold ' || off.points as what
      from (
        select a.id, a.balance, coalesce(l.usable, 0) as points
        from ledger_account a left join lots l on l.account = a.id
        where (a.id like 'member:%' or a.id like 'unclaimed:%') and greatest(a.balance, 0) <> coalesce(l.usable, 0)
        union all
        select a.id, a.balance, coalesce(l.pending, 0)
        from ledger_account a left join lots l on l.account = 'member:' || substr(a.id, 9)
        where a.id like 'pending:%' and a.balance <> coalesce(l.pending, 0)) off
      order by off.id limit 1`,
  ];
}
