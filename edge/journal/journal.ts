import { ProgrammerError, StammkundeError, asError, isFault } from '../../foundation/errors.ts';
import type { Clock, Instant } from '../../foundation/clock.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import { entryHash, genesisHash, sealEntry } from '../../sync/contract/journal-entry.ts';
import type { JournalEntry, JournalOwner } from '../../sync/contract/journal-entry.ts';
import { subjectOf } from '../../sync/contract/transaction.ts';
import type { Transaction } from '../../sync/contract/transaction.ts';
import { JournalDatabase } from './journal-database.ts';
import type { OpenJournalFile } from './journal-database.ts';
import { AllowanceStore } from './allowance-store.ts';
import { OpenSales } from './open-sales.ts';

/** Entries at the end of the chain that are checked at every start; {@link Journal.verify} checks all. */
const TAIL_CHECKED = 1_000;
/** Entries in memory at once while the chain is checked; each may have a million characters. */
const VERIFY_PAGE = 64;
/** Entries removed by one call of {@link Journal.removeOld}, so that a sale never waits long behind it. */
const REMOVE_SLICE = 1_000;
/** How long a confirmed entry stays, so that a server restored from an old backup can be healed, ms. */
export const RETENTION_MS: number = 35 * 24 * 60 * 60 * 1_000;
/** How often it is written down how far the server was at what time; an entry stays that much longer at most. */
const MARK_EVERY_MS = 60 * 60 * 1_000;
/** Clocks further apart than this are not trusted with removing anything. */
const CLOCKS_AGREE_MS = 24 * 60 * 60 * 1_000;
/** Longest body a {@link JournalEntry} may have, characters. */
const BODY_MAX = 1_000_000;

export interface JournalOptions {
  readonly file: string;
  /** 32 bytes; the whole file is encrypted with it. */
  readonly key: Uint8Array;
  /** null: whoever's it is, and there must be one. */
  readonly till: string | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** No entry is taken beyond this many that the server has not confirmed. */
  readonly unconfirmedMax: number;
  /** False: for an audit, which is to say what is wrong. */
  readonly checkTail?: boolean;
  /** In place of the disk's own, for tests and simulations. */
  readonly openFile?: OpenJournalFile;
}

const VERSION_COLUMN = { command: 'command_version', urgent: 'urgent_version' } as const;

interface ChainRow {
  readonly till: string;
  readonly incarnation: string;
  readonly anchor_seq: number;
  readonly anchor_hash: string;
  readonly confirmed_seq: number;
  readonly session: number;
}

/** What a journal's file holds beside its entries. */
export interface JournalBeside {
  readonly counters: { readonly session: number; readonly command: number; readonly urgent: number };
  readonly openSales: readonly {
    readonly saleId: string;
    readonly openedNo: number;
    readonly body: string;
  }[];
}

const ENTRY_COLUMNS = 'seq, id, at, prev_hash AS prevHash, body, hash';

/**
 * The till's own ledger: what stands here has happened.
 *
 * ```
 *   removed, confirmed │ kept, confirmed │ unconfirmed
 *   1 … anchor         │ … confirmedSeq  │ … lastSeq
 * ```
 *
 * Synchronous on purpose: when `append` returns, the entry is on the disk; there is no state between.
 */
export class Journal implements Closable {
  readonly owner: JournalOwner;
  /** Where sales rest until they are closed, in the same file. */
  readonly openSales: OpenSales;
  /** What the till may take without the server, in the same file. */
  readonly allowances: AllowanceStore;
  readonly #database: JournalDatabase;
  readonly #options: JournalOptions;
  readonly #listeners = new Set<() => void>();
  #last: { readonly seq: number; readonly hash: string };
  #confirmedSeq: number;
  #session: number;
  /** The newest time the server told since this journal was opened. */
  #serverTime: Instant = 0;
  #marked: { readonly seq: number; readonly serverTime: Instant };

  private constructor(database: JournalDatabase, options: JournalOptions, chain: ChainRow) {
    this.#database = database;
    this.#options = options;
    this.owner = { till: chain.till, incarnation: chain.incarnation };
    this.#confirmedSeq = chain.confirmed_seq;
    this.#session = chain.session;
    this.#last = this.#readLast();
    this.#marked = this.#readMark();
    database.whenReopened(() => this.#checkReopened());
    this.allowances = new AllowanceStore(database, () => this.#confirmedSeq);
    this.openSales = new OpenSales(database, (transaction, within) => this.append(transaction, within));
  }

  /**
   * Opens the journal, or starts one (with a new incarnation) where there is no file.
   * @throws StammkundeError JRN_WRONG_KEY · JRN_CORRUPT (also: another till's) · DATA_IN_USE · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const { file, key, till, clock, random, log } = options;
    const database = new JournalDatabase(
      file,
      key,
      () => {
        if (till === null) throw new StammkundeError('DATA_UNWRITABLE', `there is no journal ${file}`);
        const incarnation = uuidV7(clock.now(), random);
        return { till, incarnation, hash: genesisHash({ till, incarnation }) };
      },
      options.openFile,
    );
    try {
      const journal = new Journal(database, options, readChain(database));
      if (till !== null && journal.owner.till !== till) {
        throw new StammkundeError(
          'JRN_CORRUPT',
          `${file} is the journal of till ${journal.owner.till}, not of ${till}`,
        );
      }
      if (options.checkTail ?? true) journal.#verifyFrom(journal.lastSeq - TAIL_CHECKED);
      log.info({
        event: 'journal.opened',
        incarnation: journal.owner.incarnation,
        lastSeq: journal.lastSeq,
        confirmedSeq: journal.confirmedSeq,
      });
      return journal;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  get lastSeq(): number {
    return this.#last.seq;
  }

  /** Every entry up to here is on the server. */
  get confirmedSeq(): number {
    return this.#confirmedSeq;
  }

  get unconfirmed(): number {
    return this.#last.seq - this.#confirmedSeq;
  }

  /**
   * Adds an entry; it is on the disk when this returns. `within` writes to the same file in the same transaction:
   * both are there, or neither.
   * @throws StammkundeError JRN_FULL · DATA_DISK_FULL · DATA_UNWRITABLE · JRN_CORRUPT, each with nothing taken
   */
  append(transaction: Transaction, within?: (entry: JournalEntry) => void): JournalEntry {
    const { clock, random, unconfirmedMax } = this.#options;
    if (this.unconfirmed >= unconfirmedMax) {
      throw new StammkundeError('JRN_FULL', `${this.unconfirmed} entries wait for the server`);
    }
    const entry = sealEntry(this.#last, uuidV7(clock.now(), random), transaction);
    if (entry.body.length > BODY_MAX) {
      throw new ProgrammerError(`an entry has ${entry.body.length} characters, at most ${BODY_MAX} fit`);
    }
    this.#database.transact(() => {
      this.#database.run(
        'INSERT INTO entry VALUES(?, ?, ?, ?, ?, ?, ?, ?)',
        entry.seq,
        entry.id,
        entry.at,
        entry.prevHash,
        entry.body,
        entry.hash,
        subjectOf(transaction),
        transaction.kind,
      );
      within?.(entry);
    });
    this.#last = { seq: entry.seq, hash: entry.hash };
    this.#tellAppended();
    return entry;
  }

  /** Whether an entry of this kind about this sale or link is kept. */
  holds(subjectId: string, kind: Transaction['kind']): boolean {
    return (
      this.#database.rows('SELECT seq FROM entry WHERE sale_id = ? AND kind = ?', subjectId, kind).length > 0
    );
  }

  /** Links and their ends that the server has not confirmed, newest first. */
  unconfirmedLinks(
    limit: number,
  ): readonly { readonly seq: number; readonly linkId: string; readonly kind: string }[] {
    return this.#database.rows(
      `SELECT seq, sale_id AS linkId, kind FROM entry WHERE seq > ? AND kind IN ('credential.linked', 'credential.unlinked')
       ORDER BY seq DESC LIMIT ?`,
      this.#confirmedSeq,
      limit,
    );
  }

  /** Entries after `afterSeq` in order, at most `limit`. */
  read(afterSeq: number, limit: number): readonly JournalEntry[] {
    return this.#database.rows<JournalEntry>(
      `SELECT ${ENTRY_COLUMNS} FROM entry WHERE seq > ? ORDER BY seq LIMIT ?`,
      afterSeq,
      limit,
    );
  }

  /** The hash of an entry that is kept, of the last one removed, or at 0 of the genesis; undefined otherwise. */
  hashAt(seq: number): string | undefined {
    if (seq === 0) return genesisHash(this.owner);
    const [entry] = this.#database.rows<{ hash: string }>('SELECT hash FROM entry WHERE seq = ?', seq);
    if (entry !== undefined) return entry.hash;
    const chain = this.#chain();
    return chain.anchor_seq === seq ? chain.anchor_hash : undefined;
  }

  /**
   * Notes that the server has committed every entry up to `upToSeq`. Lower than before changes nothing.
   * @param serverTime when it said so, by its own clock: what retention goes by, for a till's clock may be anywhere
   * @throws ProgrammerError for a sequence that was never written
   */
  confirm(upToSeq: number, serverTime: Instant): void {
    if (upToSeq > this.#last.seq)
      throw new ProgrammerError(`${upToSeq} is beyond the last entry ${this.#last.seq}`);
    this.#serverTime = Math.max(this.#serverTime, serverTime);
    const confirmed = Math.max(upToSeq, this.#confirmedSeq);
    const sinceMark = serverTime - this.#marked.serverTime;
    // A server whose clock was ahead for a while must not end retention for as long.
    const marks =
      confirmed > this.#marked.seq && (sinceMark >= MARK_EVERY_MS || sinceMark < -CLOCKS_AGREE_MS);
    if (!marks && confirmed === this.#confirmedSeq) return;
    this.#database.transact(() => {
      this.#database.run('UPDATE chain SET confirmed_seq = ?', confirmed);
      if (marks) this.#database.run('INSERT INTO confirmation VALUES(?, ?)', confirmed, serverTime);
    });
    this.#confirmedSeq = confirmed;
    if (marks) this.#marked = { seq: confirmed, serverTime };
  }

  /** Calls back after each append; the callback only notes it. The returned function ends it. */
  onAppended(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Removes the oldest entries that were confirmed {@link RETENTION_MS} ago or more by the server's clock, a slice at a
   * time, and none while that clock and the till's disagree or are not known. The last one's sequence and hash stay as
   * the anchor of the chain.
   * @returns how many went; call again while it is more than 0
   */
  removeOld(): number {
    if (Math.abs(this.#options.clock.now() - this.#serverTime) > CLOCKS_AGREE_MS) return 0;
    const { anchor_seq: anchor } = this.#chain();
    const [{ old } = { old: null }] = this.#database.rows<{ old: number | null }>(
      'SELECT max(seq) AS old FROM confirmation WHERE server_time <= ?',
      this.#serverTime - RETENTION_MS,
    );
    const upTo = Math.min(this.#confirmedSeq, old ?? 0, anchor + REMOVE_SLICE);
    if (upTo <= anchor) return 0;
    const hash = this.hashAt(upTo);
    if (hash === undefined) throw new ProgrammerError(`entry ${upTo} is neither kept nor removed`);
    this.#database.transact(() => {
      this.#database.run('UPDATE chain SET anchor_seq = ?, anchor_hash = ?', upTo, hash);
      this.#database.run('DELETE FROM entry WHERE seq <= ?', upTo);
      this.#database.run('DELETE FROM closed_sale WHERE last_seq <= ?', upTo);
      this.#database.run('DELETE FROM confirmation WHERE seq <= ?', upTo);
    });
    return upTo - anchor;
  }

  /**
   * Walks the whole chain that is kept and returns its length.
   * @throws StammkundeError JRN_CORRUPT naming the first entry that does not fit
   */
  verify(): number {
    return this.#verifyFrom(0);
  }

  /** The last entry that was removed, which the first one kept continues. */
  get anchor(): { readonly seq: number; readonly hash: string } {
    const { anchor_seq: seq, anchor_hash: hash } = this.#chain();
    return { seq, hash };
  }

  /** What rests beside the entries, as it stands in the file. */
  beside(): JournalBeside {
    const [counters] = this.#database.rows<JournalBeside['counters']>(
      'SELECT session, command_version AS command, urgent_version AS urgent FROM chain',
    );
    if (counters === undefined) throw new ProgrammerError('a journal has a chain');
    return {
      counters,
      openSales: this.#database.rows(
        'SELECT sale_id AS saleId, opened_no AS openedNo, body FROM open_sale ORDER BY opened_no',
      ),
    };
  }

  /** The sale an entry closed last, as its view rests. */
  closedBy(seq: number): { readonly saleId: string; readonly body: string } | undefined {
    return this.#database.rows<{ saleId: string; body: string }>(
      'SELECT sale_id AS saleId, body FROM closed_sale WHERE last_seq = ?',
      seq,
    )[0];
  }

  /**
   * The number of the next connection to the server: grows for ever, also over restarts. On a disk that takes nothing it
   * grows in memory, for a till whose disk is full has sales to deliver; after a restart in between the server shows the
   * till as it was until its numbers have caught up.
   */
  nextSession(): number {
    this.#session += 1;
    try {
      this.#database.run('UPDATE chain SET session = ?', this.#session);
    } catch (error) {
      if (!isFault(error, 'DATA_UNWRITABLE') && !isFault(error, 'DATA_DISK_FULL')) throw error;
    }
    return this.#session;
  }

  /** Version of the server's last message of a kind that was obeyed; 0 before the first. */
  last(kind: 'command' | 'urgent'): number {
    const [row] = this.#database.rows<{ version: number }>(
      `SELECT ${VERSION_COLUMN[kind]} AS version FROM chain`,
    );
    return row?.version ?? 0;
  }

  /** Notes a message as obeyed, so that its repetition is not. Lower than before changes nothing. */
  obeyed(kind: 'command' | 'urgent', version: number): void {
    if (version <= this.last(kind)) return;
    this.#database.run(`UPDATE chain SET ${VERSION_COLUMN[kind]} = ?`, version);
  }

  /** Lets the file grow to at most this many bytes, as a quota would. */
  limitSize(bytes: number): void {
    this.#database.limitSize(bytes);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#database.close();
  }

  /** The entry is on the disk: no listener's mistake may make its writer believe otherwise. */
  #tellAppended(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#options.log.error({ event: 'journal.listener-failed', error: asError(error) });
      }
    }
  }

  /** @throws StammkundeError JRN_CORRUPT when the file does not hold what was answered for */
  #checkReopened(): void {
    const { seq, hash } = this.#readLast();
    if (
      seq !== this.#last.seq ||
      hash !== this.#last.hash ||
      this.#chain().confirmed_seq !== this.#confirmedSeq
    )
      throw new StammkundeError(
        'JRN_CORRUPT',
        `${this.#options.file} ends with entry ${seq} after a failed write, and ${this.#last.seq} was kept`,
      );
    this.#options.log.warn({ event: 'journal.reopened', lastSeq: seq });
  }

  #chain(): ChainRow {
    return readChain(this.#database);
  }

  #readMark(): { readonly seq: number; readonly serverTime: Instant } {
    const [mark] = this.#database.rows<{ seq: number; serverTime: number }>(
      'SELECT seq, server_time AS serverTime FROM confirmation ORDER BY seq DESC LIMIT 1',
    );
    return mark ?? { seq: 0, serverTime: -Infinity };
  }

  #readLast(): { readonly seq: number; readonly hash: string } {
    const [entry] = this.#database.rows<{ seq: number; hash: string }>(
      'SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1',
    );
    if (entry !== undefined) return entry;
    const chain = this.#chain();
    return { seq: chain.anchor_seq, hash: chain.anchor_hash };
  }

  #verifyFrom(afterSeq: number): number {
    const chain = this.#chain();
    const from = Math.max(afterSeq, chain.anchor_seq);
    const corrupt = (seq: number, what: string): StammkundeError =>
      new StammkundeError('JRN_CORRUPT', `${this.#options.file}: entry ${seq} ${what}`);
    if (chain.confirmed_seq > this.#last.seq)
      throw corrupt(chain.confirmed_seq, 'is confirmed but not there');
    let previous = { seq: from, hash: this.hashAt(from) };
    if (previous.hash === undefined) throw corrupt(from, 'is missing');
    let checked = 0;
    for (;;) {
      const page = this.read(previous.seq, VERIFY_PAGE);
      for (const entry of page) {
        if (entry.seq !== previous.seq + 1) throw corrupt(previous.seq + 1, 'is missing');
        if (entry.prevHash !== previous.hash) throw corrupt(entry.seq, 'does not continue the chain');
        if (entry.hash !== entryHash(entry)) throw corrupt(entry.seq, 'has another content than was sealed');
        previous = entry;
      }
      checked += page.length;
      if (page.length === 0) return checked;
    }
  }
}

function readChain(database: JournalDatabase): ChainRow {
  const [row] = database.rows<ChainRow>(
    'SELECT till, incarnation, anchor_seq, anchor_hash, confirmed_seq, session FROM chain',
  );
  if (row === undefined)
    throw new StammkundeError('JRN_CORRUPT', `${database.file} does not say whose it is`);
  return row;
}
