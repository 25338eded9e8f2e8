import { copyFileSync, existsSync, mkdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalConnection, OpenJournalFile } from '../../edge/journal/journal-database.ts';
import { openJournalFile } from '../../edge/journal/journal-file.ts';

/** What a disk refuses with; as SQLite reports it. */
export type DiskFault = 'SQLITE_FULL' | 'SQLITE_IOERR_FSYNC' | 'SQLITE_READONLY';

/** Thrown into a program that is killed within a call to its disk; nothing it still does has an effect. */
export class Killed extends Error {
  constructor() {
    super('killed');
    this.name = 'Killed';
  }
}

const BEGIN = 'BEGIN IMMEDIATE';
const COMMIT = 'COMMIT';
/** SQLite's `synchronous`: from here on a commit is on the disk when it returns. */
const FULL = 2;

/**
 * The disk of a till, with a real SQLite file on it: it may be full, fail, be cut off from its power anywhere.
 *
 * What survives a power cut is what was synced: the files as they are if each commit was (`synchronous=FULL`), else as
 * they were when last synced. A kill alone loses nothing that was written.
 */
export class FaultyDisk {
  readonly #folder: string;
  readonly #syncs: boolean;
  #place = 0;
  fault: DiskFault | undefined;
  /** Counts down with each call; at 0 the program is killed in it, before or after it took effect. */
  killAfterCalls: number | undefined;
  /** Asked when {@link killAfterCalls} has come down. */
  onKill: () => void = () => {};
  readonly #open = new Set<JournalConnection>();
  #dead = false;
  /** Whether something was committed and not synced. */
  #unsynced = false;
  #calls = 0;
  /** Length of the log before the commit that is under way. */
  #walBefore: number | undefined;

  /** @param syncs false: a journal that believes what was never synced */
  constructor(folder: string, syncs = true) {
    this.#folder = folder;
    this.#syncs = syncs;
    mkdirSync(this.#current, { recursive: true });
  }

  get #current(): string {
    return join(this.#folder, String(this.#place));
  }

  get #synced(): string {
    return join(this.#folder, 'synced');
  }

  /** Where the journal is at the moment. */
  get file(): string {
    return join(this.#current, 'journal.db');
  }

  get calls(): number {
    return this.#calls;
  }

  readonly openFile: OpenJournalFile = (file, key, genesis) => {
    const own = openJournalFile(file, key, genesis);
    if (!this.#syncs) own.pragma('synchronous=OFF');
    const isFull = Number(own.pragma('synchronous', { simple: true })) >= FULL;
    const connection: JournalConnection = {
      get inTransaction() {
        return own.inTransaction;
      },
      exec: (sql) => {
        this.#call(sql, () => {
          if (sql === COMMIT) this.#walBefore = this.#walLength();
          own.exec(sql);
          if (sql === COMMIT && !isFull) this.#unsynced = true;
        });
        return own;
      },
      prepare: ((sql: string) => {
        this.#mayGoOn();
        return own.prepare(sql);
      }) as JournalConnection['prepare'],
      pragma: (source, options) => {
        this.#call(source, () => {});
        return own.pragma(source, options);
      },
      close: () => {
        this.#open.delete(connection);
        return own.close();
      },
    };
    this.#open.add(connection);
    if (!isFull && !this.#unsynced) this.sync();
    return connection;
  };

  /** The system writes out what was not synced, as it does now and then. */
  sync(): void {
    this.#unsynced = false;
    if (this.#syncs) return;
    rmSync(this.#synced, { recursive: true, force: true });
    mkdirSync(this.#synced);
    copyFiles(this.#current, this.#synced);
  }

  /**
   * Ends the program that uses the disk, wherever it is; the next finds what survives of its files.
   * @param how `kill`: all that was written · `power`: only what was synced · `torn`: nor the end of the last commit,
   *   if that had not been answered
   */
  kill(how: 'kill' | 'power' | 'torn', withinCommit = false): void {
    this.#dead = true;
    const from = how !== 'kill' && this.#unsynced ? this.#synced : this.#current;
    this.#place += 1;
    mkdirSync(this.#current);
    copyFiles(from, this.#current);
    if (how === 'torn' && withinCommit && !this.#unsynced) this.#tear();
    for (const connection of this.#open) connection.close();
    rmSync(join(this.#folder, String(this.#place - 1)), { recursive: true });
    this.#unsynced = false;
    this.killAfterCalls = undefined;
  }

  /** A program may use it again. */
  revive(): void {
    this.#dead = false;
    if (!this.#syncs && existsSync(this.file)) this.sync();
  }

  #mayGoOn(): void {
    if (this.#dead) throw new Killed();
  }

  /** A call to the disk: where it fails, and where its program may be killed before it or after. */
  #call(sql: string, work: () => void): void {
    this.#mayGoOn();
    this.#calls += 1;
    const isKilled = this.#isKilled();
    if (isKilled && this.#calls % 2 === 0) this.#die();
    if (this.fault !== undefined && this.#hits(sql, this.fault)) {
      throw Object.assign(new Error(`${this.fault}: as simulated`), { code: this.fault });
    }
    work();
    if (isKilled) this.#die(sql === COMMIT);
  }

  #isKilled(): boolean {
    if (this.killAfterCalls === undefined) return false;
    this.killAfterCalls -= 1;
    return this.killAfterCalls <= 0;
  }

  #die(withinCommit = false): never {
    this.killAfterCalls = undefined;
    this.#withinCommit = withinCommit;
    this.onKill();
    throw new Killed();
  }

  #withinCommit = false;

  /** Whether the program was killed in a commit that took effect and was never answered. */
  get diedInCommit(): boolean {
    return this.#withinCommit;
  }

  #hits(sql: string, fault: DiskFault): boolean {
    switch (fault) {
      case 'SQLITE_READONLY':
        return sql === BEGIN || sql.startsWith('wal_checkpoint');
      case 'SQLITE_FULL':
        return sql === COMMIT;
      case 'SQLITE_IOERR_FSYNC':
        return sql === COMMIT || sql.startsWith('wal_checkpoint');
    }
  }

  #walLength(): number | undefined {
    const wal = `${this.file}-wal`;
    return existsSync(wal) ? statSync(wal).size : undefined;
  }

  /** Of the commit that was under way only a part has reached the disk. */
  #tear(): void {
    const [before, after] = [this.#walBefore, this.#walLength()];
    if (before === undefined || after === undefined || after <= before) return;
    truncateSync(`${this.file}-wal`, before + Math.floor((after - before) / 2));
  }
}

function copyFiles(from: string, to: string): void {
  for (const name of ['journal.db', 'journal.db-wal']) {
    if (existsSync(join(from, name))) copyFileSync(join(from, name), join(to, name));
  }
}
