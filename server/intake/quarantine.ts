import { sql } from 'kysely';
import type { Clock } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { ProgrammerError, StammkundeError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import { singleForm } from '../../sync/contract/blind-index.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import { entryHash, genesisHash, resealEntry } from '../../sync/contract/journal-entry.ts';
import type { JournalEntry, JournalOwner } from '../../sync/contract/journal-entry.ts';
import { Transaction } from '../../sync/contract/transaction.ts';
import type { TakenCard } from '../cards/take-bank-card.ts';
import type { Database, Queries } from '../database/database.ts';
import { databaseCodeOf } from '../database/faults.ts';
import { placeId } from './chain.ts';
import { commitBatches } from './commit-batches.ts';
import type { ReceiptKeyOf } from './commit-batches.ts';
import { verdictOf } from './judge.ts';
import { commitRefusable } from './refusable.ts';

/** Which quarantined entry is meant. */
export interface QuarantineKey extends JournalOwner {
  readonly seq: number;
  readonly hash: string;
}

/** Who decided, as a pseudonym, and why. */
export interface SettledBy {
  readonly settledBy: string;
  readonly reason: string;
}

export interface Settlement extends SettledBy {
  readonly decision: 'accepted' | 'dismissed';
  /** What the ledger said to an accepted one. */
  readonly outcome: 'created' | 'exists' | 'refused' | null;
  readonly code: string | null;
  readonly at: number;
}

export interface QuarantinedEntry extends QuarantineKey {
  readonly id: string;
  readonly at: number;
  /** LEDGER_CONFLICT · LEDGER_CHAIN */
  readonly code: string;
  readonly receivedAt: number;
  /** False when its text is not the one that was sealed, or is not kept; it cannot be accepted then. */
  readonly intact: boolean;
  /** What it says; null when that is no transaction. */
  readonly transaction: Transaction | null;
  /** Whether the same entry stands in a journal by now, as after its till rejoined: there is nothing to be decided. */
  readonly stands: boolean;
  readonly settlement: Settlement | null;
}

export interface QuarantinePorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly indexer?: IndexForms;
  /** Who is responsible for what customers agree to, as their consents name it. */
  readonly controller?: string;
  /** Told after something was posted. */
  readonly onCommitted: () => void;
  readonly receiptKeyOf?: ReceiptKeyOf | undefined;
  /** Told after a bank card was taken from its customer. */
  readonly onTaken: (cards: readonly TakenCard[]) => void;
}

/**
 * What contradicted the journals, for people to judge. An accepted entry goes the way of any other, as the only entry
 * of a journal of its own: so it is posted once, however often it is accepted and whether or not its till enters it
 * again, and never where its sale is in the ledger.
 */
export class Quarantine {
  readonly #ports: QuarantinePorts;

  constructor(ports: QuarantinePorts) {
    this.#ports = ports;
  }

  /** Oldest first; `open` are those that neither stand by now nor were settled. */
  async list(filter: {
    readonly till?: string | undefined;
    readonly open: boolean;
    readonly limit: number;
  }): Promise<readonly QuarantinedEntry[]> {
    const { till = null, open, limit } = filter;
    return (await readQuarantine(this.#ports.database.db, till, open, limit)).map(viewOf);
  }

  /** How many are open. */
  async openCount(): Promise<number> {
    const { rows } = await sql<{ open: number }>`
      select count(*)::bigint as open from journal_quarantine q where ${isOpen}`.execute(
      this.#ports.database.db,
    );
    return rows[0]?.open ?? 0;
  }

  /**
   * Posts the entry, once.
   * @throws StammkundeError API_NOT_FOUND · QUARANTINE_SETTLED (dismissed before) · LEDGER_CHAIN (not intact) ·
   *   DB_UNREACHABLE
   */
  async accept(key: QuarantineKey, by: SettledBy): Promise<Settlement> {
    const row = await this.#find(key, 'accepted');
    if (row.settlement !== null) return row.settlement;
    if (!isIntact(row))
      throw new StammkundeError(
        'LEDGER_CHAIN',
        `entry ${key.seq} does not say what was sealed; it can only be dismissed`,
      );
    const {
      database,
      clock,
      indexer = singleForm,
      controller,
      receiptKeyOf,
      onCommitted,
      onTaken,
      log,
    } = this.#ports;
    const owner = { till: key.till, incarnation: placeId(key, key.seq, key.hash) };
    const batch = { ...owner, entries: [resealEntry({ seq: 0, hash: genesisHash(owner) }, row)] };
    const commit = (unpostable: ReadonlySet<string>) =>
      commitBatches(database, [batch], clock, unpostable, controller, indexer, receiptKeyOf);
    const [judged = []] = await commitRefusable(row.id, commit, (why) => {
      const { till, incarnation, seq } = key;
      const code = 'LEDGER_REFUSED' satisfies ErrorCode;
      log.error({
        event: 'quarantine.entry_refused',
        till,
        incarnation,
        seq,
        code,
        sqlState: databaseCodeOf(why),
      });
    });
    const [judgement] = judged;
    if (judgement === undefined) throw new ProgrammerError('an entry was not judged');
    if (judgement.kind === 'accepted' && judgement.taken !== undefined) onTaken([judgement.taken]);
    onCommitted();
    const { verdict, code = null } = verdictOf(judgement);
    if (verdict === 'conflict')
      throw new StammkundeError('LEDGER_CONFLICT', `entry ${key.seq} has the id of another entry`);
    return this.#settle(key, { ...by, decision: 'accepted', outcome: verdict, code });
  }

  /**
   * Notes that the entry is not to be posted.
   * @throws StammkundeError API_NOT_FOUND · QUARANTINE_SETTLED (accepted before) · DB_UNREACHABLE
   */
  async dismiss(key: QuarantineKey, by: SettledBy): Promise<Settlement> {
    const row = await this.#find(key, 'dismissed');
    return (
      row.settlement ?? (await this.#settle(key, { ...by, decision: 'dismissed', outcome: null, code: null }))
    );
  }

  async #find(key: QuarantineKey, decision: Settlement['decision']): Promise<Row> {
    const [row] = await readQuarantine(this.#ports.database.db, key.till, false, 1, key);
    if (row === undefined)
      throw new StammkundeError('API_NOT_FOUND', `no such entry of ${key.till} is in quarantine`);
    assertSame(row.settlement, decision);
    return row;
  }

  async #settle(key: QuarantineKey, settlement: Omit<Settlement, 'at'>): Promise<Settlement> {
    const { database, clock, log } = this.#ports;
    const { decision, outcome, code, settledBy, reason } = settlement;
    await database.db
      .insertInto('quarantine_settlement')
      .values({
        till: key.till,
        incarnation: key.incarnation,
        seq: key.seq,
        hash: key.hash,
        decision,
        outcome,
        code,
        settled_by: settledBy,
        reason,
        at: clock.now(),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    // Two may have decided at once; the first of them did.
    const { settlement: stands } = await this.#find(key, decision);
    if (stands === null) throw new ProgrammerError('a settlement was not kept');
    const { till, incarnation, seq } = key;
    log.warn({ event: 'quarantine.settled', till, incarnation, seq, decision, outcome, code, settledBy });
    return stands;
  }
}

interface Row extends QuarantineKey {
  readonly id: string;
  readonly at: number;
  readonly prevHash: string;
  readonly body: string;
  readonly code: string;
  readonly receivedAt: number;
  readonly stands: boolean;
  readonly settlement: Settlement | null;
}

const isSettled = sql`exists (
  select from quarantine_settlement s
  where s.till = q.till and s.incarnation = q.incarnation and s.seq = q.seq and s.hash = q.hash)`;
/** An id may have been told with another content; only the same is what lies here. */
const stands = sql`exists (select from till_journal j where j.id = q.id and j.at = q.at and j.body = q.body)`;
const isOpen = sql`not ${isSettled} and not ${stands}`;

async function readQuarantine(
  db: Queries,
  till: string | null,
  open: boolean,
  limit: number,
  key?: QuarantineKey,
): Promise<readonly Row[]> {
  const { rows } = await sql<
    Omit<Row, 'settlement'> & { [K in keyof Settlement as `s_${K}`]: Settlement[K] | null }
  >`
    select q.till, q.incarnation, q.seq, q.hash, q.id, q.at, q.prev_hash as "prevHash", q.body, q.code,
      q.received_at as "receivedAt", ${stands} as stands, s.decision as "s_decision", s.outcome as "s_outcome",
      s.code as "s_code", s.settled_by as "s_settledBy", s.reason as "s_reason", s.at as "s_at"
    from journal_quarantine q
    left join quarantine_settlement s
      on s.till = q.till and s.incarnation = q.incarnation and s.seq = q.seq and s.hash = q.hash
    where (${till}::text is null or q.till = ${till}::text)
      and (not ${open}::boolean or ${isOpen})
      and (${key === undefined}::boolean or (q.incarnation = ${key?.incarnation ?? null}::uuid
        and q.seq = ${key?.seq ?? null}::bigint and q.hash = ${key?.hash ?? null}::text))
    order by q.received_at, q.till, q.incarnation, q.seq, q.hash limit ${limit}::bigint`.execute(db);
  return rows.map(({ s_decision, s_outcome, s_code, s_settledBy, s_reason, s_at, ...row }): Row => {
    const settlement =
      s_decision === null
        ? null
        : {
            decision: s_decision,
            outcome: s_outcome,
            code: s_code,
            settledBy: s_settledBy ?? '',
            reason: s_reason ?? '',
            at: s_at ?? 0,
          };
    return { ...row, settlement };
  });
}

function viewOf(row: Row): QuarantinedEntry {
  const { prevHash: _prevHash, body, ...shown } = row;
  return { ...shown, intact: isIntact(row), transaction: transactionIn(body) };
}

function isIntact(row: Row): boolean {
  return entryHash(entryOf(row)) === row.hash;
}

function entryOf({ seq, id, at, prevHash, body, hash }: Row): JournalEntry {
  return { seq, id, at, prevHash, body, hash };
}

function transactionIn(body: string): Transaction | null {
  try {
    return Transaction.safeParse(JSON.parse(body)).data ?? null;
  } catch {
    return null;
  }
}

function assertSame(settlement: Settlement | null, decision: Settlement['decision']): void {
  if (settlement !== null && settlement.decision !== decision)
    throw new StammkundeError('QUARANTINE_SETTLED', `the entry was ${settlement.decision} before`);
}
