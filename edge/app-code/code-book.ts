import { createHmac } from 'node:crypto';
import type Database from 'better-sqlite3-multiple-ciphers';
import { asError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { AppCode } from '../../sync/contract/app-code/app-code.ts';
import { journalFault } from '../journal/journal-fault.ts';
import { openCodeBookFile } from './code-book-file.ts';

/** Codes remembered at once: hours of one a second, where a till forgets each after minutes. */
const SEEN_MAX = 50_000;
const DIGEST_BYTES = 16;

/** `fresh`: not seen before, and remembered from now on, on the disk. */
export type Noted = 'fresh' | 'seen' | 'not-remembered';

/**
 * Which app codes were shown here, and the last time that could be relied on: on the disk before anybody hears of it, so that
 * a code stays used after `kill -9` and after a power cut. Of a code it holds a keyed digest, for a few minutes.
 */
export class CodeBook implements Closable {
  readonly #database: Database.Database;
  readonly #key: Buffer;
  readonly #log: Log;
  readonly #seenMax: number;
  readonly #statements: {
    readonly has: Database.Statement<[Buffer], unknown>;
    readonly add: Database.Statement<[Buffer, number], unknown>;
    readonly forget: Database.Statement<[number], unknown>;
    readonly count: Database.Statement<[], { readonly n: number }>;
    readonly trust: Database.Statement<[number], unknown>;
  };
  #count: number;
  #trustedAt: number;
  #closed = false;
  /** Codes issued before this may have been seen and forgotten, ms since the epoch. */
  readonly completeFrom: number;

  private constructor(
    database: Database.Database,
    key: Buffer,
    { log, seenMax = SEEN_MAX }: { readonly log: Log; readonly seenMax?: number | undefined },
  ) {
    this.#database = database;
    this.#key = key;
    this.#log = log;
    this.#seenMax = seenMax;
    this.#statements = {
      has: database.prepare('SELECT 1 FROM seen WHERE digest = ?'),
      add: database.prepare('INSERT INTO seen VALUES(?, ?)'),
      forget: database.prepare('DELETE FROM seen WHERE forget_at < ?'),
      count: database.prepare('SELECT count(*) AS n FROM seen'),
      trust: database.prepare('UPDATE note SET trusted_at = ?'),
    };
    this.#count = this.#statements.count.get()?.n ?? 0;
    const note = database
      .prepare<[], { readonly trusted_at: number; readonly complete_from: number }>(
        'SELECT trusted_at, complete_from FROM note',
      )
      .get();
    this.#trustedAt = note?.trusted_at ?? 0;
    this.completeFrom = note?.complete_from ?? 0;
  }

  /**
   * @param options.now ms since the epoch: a file made in place of a lost one knows nothing of what was before
   * @param options.isFirstStart true when this till never ran before, so that no file can have been lost
   * @throws StammkundeError DATA_IN_USE · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  static open(options: {
    readonly file: string;
    /** 32 bytes. */
    readonly key: Uint8Array;
    readonly now: number;
    readonly isFirstStart: boolean;
    readonly log: Log;
    readonly seenMax?: number;
  }): CodeBook {
    const { file, key, now, isFirstStart, log } = options;
    try {
      const { database, isNew, setAside } = openCodeBookFile(file, key, { now, isFirstStart });
      if (isNew) log.info({ event: 'app-code.book.new', setAside });
      const digestKey = createHmac('sha256', key).update('app code digests v1').digest();
      return new CodeBook(database, digestKey, options);
    } catch (error) {
      throw journalFault(error, file);
    }
  }

  /** The last time that could be relied on, ms since the epoch; 0 when there was none. */
  get trustedAt(): number {
    return this.#trustedAt;
  }

  /** Codes remembered. */
  get count(): number {
    return this.#count;
  }

  /**
   * Notes that a code was shown. A disk that does not take it, or a full book, is `not-remembered`: whether the code
   * comes again will not be known, which is no reason to send a customer away.
   * @param forgetAt when it need not be known any more, ms since the epoch
   */
  note(code: AppCode, forgetAt: number): Noted {
    const digest = this.#digest(code);
    try {
      if (this.#statements.has.get(digest) !== undefined) return 'seen';
      if (this.#count >= this.#seenMax) {
        this.#log.error({ event: 'app-code.book.full', count: this.#count });
        return 'not-remembered';
      }
      this.#statements.add.run(digest, forgetAt);
      this.#count += 1;
      return 'fresh';
    } catch (error) {
      this.#log.error({ event: 'app-code.book.failed', error: asError(error) });
      return 'not-remembered';
    }
  }

  /** Forgets what need not be known any more. Only for a clock that can be relied on. */
  prune(now: number): void {
    try {
      this.#statements.forget.run(now);
      this.#count = this.#statements.count.get()?.n ?? 0;
    } catch (error) {
      this.#log.error({ event: 'app-code.book.failed', error: asError(error) });
    }
  }

  /** Keeps a time that can be relied on. */
  trust(at: number): void {
    this.#trustedAt = at;
    try {
      this.#statements.trust.run(at);
    } catch (error) {
      this.#log.error({ event: 'app-code.book.failed', error: asError(error) });
    }
  }

  close(): Promise<void> {
    if (!this.#closed) this.#database.close();
    this.#closed = true;
    return Promise.resolve();
  }

  /** Over what is signed, not over the signature: the same statement signed twice is one code. */
  #digest(code: AppCode): Buffer {
    return createHmac('sha256', this.#key).update(code.head).digest().subarray(0, DIGEST_BYTES);
  }
}
