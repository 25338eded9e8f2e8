import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  closeSync,
  linkSync,
  openSync,
  renameSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type Database from 'better-sqlite3-multiple-ciphers';
import { StammkundeError } from '../../foundation/errors.ts';
import { uuidV7 } from '../../foundation/random.ts';
import { genesisHash, resealEntry } from '../../sync/contract/journal-entry.ts';
import type { JournalEntry, JournalOwner } from '../../sync/contract/journal-entry.ts';
import { Transaction, subjectOf } from '../../sync/contract/transaction.ts';
import { SaleView } from '../api/events.ts';
import { buildJournalFile, syncFolder } from './journal-file.ts';
import { journalFault } from './journal-fault.ts';
import { Journal } from './journal.ts';
import type { JournalOptions } from './journal.ts';

/** Entries in memory at once while they are copied. */
const PAGE = 64;

/** What is to be entered anew, or was. */
export interface Rejoining {
  readonly from: JournalOwner;
  readonly to: JournalOwner;
  readonly entries: number;
  readonly openSales: number;
  /** Where the journal so far is kept as it was. */
  readonly kept: string;
}

/**
 * Begins a new incarnation of a till whose disk was copied or restored, with all that its journal holds: each entry with
 * the id, the time and the text it had, so that the server counts it once whatever it has of it; open sales stay open.
 * What was given out by the till's allowance counts on; the allowance itself stays with the till it was given to. The
 * journal so far stays beside it. A configuration that names another till makes it that till's.
 *
 * ```
 *   journal.db ──all of it, sealed anew──▶ journal.db.rejoin ──rename──▶ journal.db
 *        └──────────link──▶ journal-{incarnation}.db
 * ```
 *
 * Interrupted anywhere, `journal.db` is the one or the other, whole. The till must not run.
 * @param till who is to keep the journal from now on
 * @param really false: only says what it would do
 * @throws StammkundeError as {@link Journal.open}
 */
export async function rejoin(
  options: Omit<JournalOptions, 'till' | 'unconfirmedMax'> & { readonly till: string },
  really: boolean,
): Promise<Rejoining> {
  const { file, key, till, clock, random, log } = options;
  const journal = await Journal.open({ ...options, till: null, unconfirmedMax: 0 });
  let rejoining: Rejoining;
  const building = `${file}.rejoin`;
  try {
    const entries = journal.verify();
    const to = { till, incarnation: uuidV7(clock.now(), random) };
    rejoining = {
      from: journal.owner,
      to,
      entries,
      openSales: journal.beside().openSales.length,
      kept: freeName(file, join(dirname(file), `journal-${journal.owner.incarnation}`)),
    };
    if (!really) return rejoining;
    buildJournalFile(building, key, { ...to, hash: genesisHash(to) }, (database) => {
      enterAnew(database, journal, to);
    });
  } catch (error) {
    throw journalFault(error, file);
  } finally {
    await journal.close();
  }
  try {
    if (existsSync(`${file}-wal`))
      throw new StammkundeError('DATA_UNWRITABLE', `${file} could not be closed as a whole`);
    keep(file, rejoining.kept);
    ownAs(building, file);
    renameSync(building, file);
    syncFolder(dirname(file));
  } catch (error) {
    throw journalFault(error, file);
  }
  log.warn({
    event: 'journal.rejoined',
    from: rejoining.from.incarnation,
    to: rejoining.to.incarnation,
    entries: rejoining.entries,
  });
  return rejoining;
}

function enterAnew(database: Database.Database, journal: Journal, to: JournalOwner): void {
  const insert = database.prepare('INSERT INTO entry VALUES(?, ?, ?, ?, ?, ?, ?, ?)');
  const use = database.prepare('INSERT INTO allowance_use VALUES(?, ?, ?, ?, ?)');
  const { counters, openSales } = journal.beside();
  let previous: Pick<JournalEntry, 'seq' | 'hash'> = { seq: 0, hash: genesisHash(to) };
  for (let after = journal.anchor.seq; ;) {
    const page = journal.read(after, PAGE);
    for (const old of page) {
      const entry = resealEntry(previous, old);
      const { seq, id, at, prevHash, body, hash } = entry;
      // What the journal took was a transaction.
      const transaction = Transaction.parse(JSON.parse(body));
      insert.run(seq, id, at, prevHash, body, hash, subjectOf(transaction), transaction.kind);
      const closed = journal.closedBy(old.seq);
      if (closed !== undefined) insertClosed(database, closed.saleId, closed.body, entry);
      for (const { redemptionId, customerId, points, version } of journal.allowances.usesAt(old.seq)) {
        use.run(redemptionId, customerId, points, version, seq);
      }
      previous = entry;
    }
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.seq;
  }
  const open = database.prepare('INSERT INTO open_sale VALUES(?, ?, ?)');
  for (const { saleId, openedNo, body } of openSales) open.run(saleId, openedNo, body);
  const allowance = journal.allowances.current();
  if (allowance?.till === to.till) {
    database.prepare('INSERT INTO allowance VALUES(1, ?)').run(JSON.stringify(allowance));
  }
  // Sessions and versions only grow, whoever's the till's name is.
  database
    .prepare('UPDATE chain SET session = ?, command_version = ?, urgent_version = ?')
    .run(counters.session, counters.command, counters.urgent);
}

function insertClosed(
  database: Database.Database,
  saleId: string,
  body: string,
  { seq, id, hash }: JournalEntry,
): void {
  const view = SaleView.parse(JSON.parse(body));
  database
    .prepare('INSERT INTO closed_sale VALUES(?, ?, ?)')
    .run(saleId, seq, JSON.stringify({ ...view, entry: { seq, id, hash } }));
}

/** Whoever says the command, the file is the daemon's, as the one before it was. */
function ownAs(file: string, before: string): void {
  const { uid, gid, mode } = statSync(before);
  chmodSync(file, mode);
  const made = statSync(file);
  if (made.uid !== uid || made.gid !== gid) chownSync(file, uid, gid);
}

/** A name nothing else has: an attempt that was interrupted may have kept the file already. */
function freeName(file: string, stem: string): string {
  for (let i = 1; ; i += 1) {
    const name = i === 1 ? `${stem}.db` : `${stem}-${i}.db`;
    if (!existsSync(name) || isSame(name, file)) return name;
  }
}

function isSame(one: string, other: string): boolean {
  return statSync(one).ino === statSync(other).ino;
}

/** Gives a file a second name; where the file system knows no such thing, a copy. */
function keep(file: string, kept: string): void {
  if (existsSync(kept)) return;
  try {
    linkSync(file, kept);
  } catch {
    const copying = `${kept}.new`;
    copyFileSync(file, copying);
    ownAs(copying, file);
    const descriptor = openSync(copying, 'r+');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(copying, kept);
  }
  syncFolder(dirname(kept));
}
