import { ProgrammerError, StammkundeError } from '../../../foundation/errors.ts';
import type { SqliteDatabase, Statement } from './database.ts';
import { BucketTotals } from './digests.ts';
import type { BucketDigest, DigestListener, DigestOf, DocumentDigest } from './digests.ts';
import type { TableLayout } from './schema-tables.ts';
import { encodeText } from './value-encoding.ts';

/**
 * The digests of a collection, computed anew from every row on the disk, a slice at a time. Rows are read by way of the
 * index that point reads use, so that each page either of them needs is read, and its tag checked. The collection may be
 * written meanwhile: what changes behind the place reached is counted as it changes.
 *
 * ```ts
 * const recount = store.recount();
 * while (!recount.step(500).done) await nextTurn();
 * differingBuckets(recount.found(), store.digests()); // the two are of one moment: nothing is awaited between them
 * recount.close();
 * ```
 */
export interface Recount {
  /**
   * Reads up to so many rows more, deleted ones included; 500 small documents take some 5 ms.
   * @throws StammkundeError REP_POISONED, its cause REP_CORRUPT where the file is damaged; ProgrammerError once closed
   */
  step(rowsMax: number): { readonly rows: number; readonly done: boolean };
  /** The buckets as counted so far; after `step` said `done`, those of the whole collection as it stands now. */
  found(): readonly BucketDigest[];
  /** Stops counting. Idempotent. */
  close(): void;
}

/** Begins a recount; one that was under way is closed by it. */
export function startRecount(
  database: SqliteDatabase,
  name: string,
  layout: TableLayout,
  of: DigestOf,
): Recount {
  return new RunningRecount(database, name, layout, of);
}

class RunningRecount implements Recount, DigestListener {
  readonly #database: SqliteDatabase;
  readonly #name: string;
  readonly #layout: TableLayout;
  readonly #of: DigestOf;
  readonly #page: Statement;
  readonly #totals = new BucketTotals();
  /** The last id that was counted, encoded; everything up to it is kept up by {@link changed}. */
  #reached = '';
  #begun = false;
  #done = false;

  constructor(database: SqliteDatabase, name: string, layout: TableLayout, of: DigestOf) {
    this.#database = database;
    this.#name = name;
    this.#layout = layout;
    this.#of = of;
    this.#page = database.guard(() =>
      database.prepare(
        `SELECT id, deleted, doc FROM ${layout.documents} WHERE id>=? AND (id>? OR ?) ORDER BY id LIMIT ?`,
      ),
    );
    layout.digestListener.current = this;
  }

  step(rowsMax: number): { readonly rows: number; readonly done: boolean } {
    if (this.#layout.digestListener.current !== this) throw new ProgrammerError('this recount is closed');
    if (this.#done) return { rows: 0, done: true };
    return this.#database.guard(() => {
      this.#database.before('recount', this.#name);
      // The columns are those of a STRICT table.
      const rows = this.#page.all(this.#reached, this.#reached, this.#begun ? 0 : 1, rowsMax) as readonly {
        readonly id: string;
        readonly deleted: number;
        readonly doc: string;
      }[];
      for (const { id, deleted, doc } of rows) {
        const document: unknown = JSON.parse(doc);
        if (!isDocument(document) || Number(document['_deleted']) !== deleted) {
          throw new StammkundeError('REP_CORRUPT', `${this.#name} holds a row that is not its document`);
        }
        if (deleted === 0) this.#totals.add(this.#of(document));
        this.#reached = id;
        this.#begun = true;
      }
      this.#done = rows.length < rowsMax;
      return { rows: rows.length, done: this.#done };
    });
  }

  changed(id: string, digest: DocumentDigest, how: 'added' | 'removed'): void {
    // Behind the place reached; SQLite's order of encoded ids is that of their code units, which < compares by.
    const behind = this.#done || (this.#begun && !isAfter(encodeText(id), this.#reached));
    if (!behind) return;
    if (how === 'added') this.#totals.add(digest);
    else this.#totals.remove(digest);
  }

  found(): readonly BucketDigest[] {
    return this.#totals.list();
  }

  close(): void {
    const { digestListener } = this.#layout;
    if (digestListener.current === this) digestListener.current = undefined;
  }
}

/** Encoded ids in the order of their UTF-8 bytes, as SQLite has them. */
function isAfter(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0;
}

function isDocument(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
