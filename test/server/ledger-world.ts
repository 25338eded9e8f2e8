import { sql } from 'kysely';
import type { ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import { SeededRandom, uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { Database } from '../../server/database/database.ts';
import { insertCustomers } from '../../server/customers/insert-customers.ts';
import { commitBatches } from '../../server/intake/commit-batches.ts';
import { verdictOf } from '../../server/intake/judge.ts';
import { memberAccount } from '../../server/ledger/accounts.ts';
import { readAccount, readTrialBalance } from '../../server/ledger/ledger-store.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import { putProgramme } from '../../server/programme/programme-store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { programme } from './programme.ts';
import type { TestTill } from './test-till.ts';

let version = 10;
let seed = 1_000;

/** A database with customers and tills, on a clock of its own. */
export class LedgerWorld {
  readonly database: Database;
  readonly clock: ManualClock;
  readonly random: Random;
  programme: ProgrammeDocument = programme;

  constructor(database: Database, clock: ManualClock = new ManualClock()) {
    this.database = database;
    this.clock = clock;
    this.random = new SeededRandom((seed += 1));
  }

  id(): string {
    return uuidV7(this.clock.now(), this.random);
  }

  /** Puts rules in force; returns the version. */
  async rules(changes: Partial<ProgrammeDocument>): Promise<ProgrammeDocument> {
    this.programme = { ...programme, ...changes, version: (version += 1) };
    await this.database.transaction((tx) => putProgramme(tx, this.programme, this.clock.now()));
    return this.programme;
  }

  /** A customer, with a card if one is named. */
  async customer(index?: string): Promise<string> {
    const id = this.id();
    const { clock, random } = this;
    const cards =
      index === undefined
        ? []
        : [{ id: this.id(), index, kind: 'card' as const, scheme: 'house', validUntil: null }];
    const customer = { tier: 'basic', purposes: [], greeting: null, cards: [] };
    const [outcome] = await this.database.transaction((tx) =>
      insertCustomers(tx, [{ id, customer, cards }], { clock, random }),
    );
    if (outcome?.verdict !== 'created') throw new Error('a customer was not stored');
    return id;
  }

  /** What the server says to each entry of a batch. */
  async commit(till: TestTill, from = 1, to = till.entries.length): Promise<readonly string[]> {
    const judged = await commitBatches(this.database, [till.batch(from, to)], this.clock);
    return judged.flat().map((judgement) => {
      const { verdict, code } = verdictOf(judgement);
      return code === undefined ? verdict : `${verdict} ${code}`;
    });
  }

  async balance(account: string): Promise<number> {
    return (await readAccount(this.database.db, account, { before: undefined, limit: 1 })).balance;
  }

  member(id: string): Promise<number> {
    return this.balance(memberAccount(id));
  }

  trial() {
    return readTrialBalance(this.database.db);
  }

  /** Accounts whose lots do not say what their balances do. */
  async lotsOff(): Promise<number> {
    const { rows } = await sql<{ off: number }>`
      with lots as (
        select account, sum(remaining) filter (where not pending or account like 'unclaimed:%') as usable,
               sum(remaining) filter (where pending and account like 'member:%') as pending
        from point_lot group by account)
      select count(*)::bigint as off from (
        select from ledger_account a left join lots l on l.account = a.id
        where (a.id like 'member:%' or a.id like 'unclaimed:%') and greatest(a.balance, 0) <> coalesce(l.usable, 0)
        union all
        select from ledger_account a left join lots l on l.account = 'member:' || substr(a.id, 9)
        where a.id like 'pending:%' and a.balance <> coalesce(l.pending, 0)) off`.execute(this.database.db);
    return rows[0]?.off ?? 0;
  }
}

/** What a sale or return says its id is. */
export function saleIdOf(entry: JournalEntry): string {
  const body: unknown = JSON.parse(entry.body);
  return typeof body === 'object' && body !== null && 'saleId' in body ? String(body.saleId) : '';
}
