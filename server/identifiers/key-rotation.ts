import { sql } from 'kysely';
import type { Clock, Instant } from '../../foundation/clock.ts';
import { asError, StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { Changes } from '../changes.ts';
import type { Database, DatabaseTransaction, Queries } from '../database/database.ts';
import { unclaimedAccount } from '../ledger/accounts.ts';
import { changeOwnership, holdOwnership } from '../ledger/claim.ts';
import { readFloor, reKey, stepsFrom } from './re-key.ts';
import { noteReadyTills, readTillsBehind } from './till-keys.ts';
import type { TillBehind } from './till-keys.ts';

/** Credentials moved, or rows of an older index removed, in one transaction. */
const SLICE_ROWS = 500;
/** Between two slices: whoever else works on the database comes first. */
const PAUSE_MS = 20;
/** How often it is looked which tills have caught up, and after a fault whether it is gone. */
const LOOK_MS = 60_000;

/** How often credentials under older indexes are looked for although all were moved. */
const LOOK_AGAIN_MS = 3_600_000;

export interface KeyRotationPorts {
  readonly database: Database;
  readonly indexer: BlindIndexer;
  /** The names of the identifier keys, oldest first. */
  readonly keyNames: readonly string[];
  readonly changes: Pick<Changes, 'changed'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Rows in one transaction. */
  readonly sliceRows?: number;
}

/** Where a rotation stands. */
export interface RotationState {
  /** How many identifier keys there are. */
  readonly version: number;
  /** The version below which no index is kept for tills; less than `version` while a rotation lasts. */
  readonly floor: number;
  /** Credentials still to be moved to the newest index. */
  readonly waiting: number;
  /** Rows kept under an older index for tills that have only the older keys. */
  readonly olderForms: number;
  /** When the last was moved, ms since the epoch; null while some wait. */
  readonly movedAt: Instant | null;
  /** What tills lack for the older indexes to go. */
  readonly tillsBehind: readonly TillBehind[];
}

/**
 * Moves the customer base to a new identifier key while tills go on identifying:
 *
 *   key added on the server ──▶ credentials moved, slice by slice; each stands under both indexes
 *   key added on the tills  ──▶ each is known to hold it, and to have caught up since
 *   end()                   ──▶ the rows under older indexes are removed, slice by slice
 *
 * Every server process may do this at once; what one does the others skip.
 */
export class KeyRotation implements Closable {
  readonly #ports: KeyRotationPorts;
  readonly #sliceRows: number;
  #cancel: () => void = () => {};
  #working: Promise<void> = Promise.resolve();
  /** Accounts up to here were looked at; undefined when all were. */
  #accountsAfter: string | undefined = '';
  #lookAgainMs = 0;
  #closed = false;

  private constructor(ports: KeyRotationPorts) {
    this.#ports = ports;
    this.#sliceRows = ports.sliceRows ?? SLICE_ROWS;
  }

  /**
   * Makes sure that the keys are those of this database, and goes on where a rotation was left.
   * @throws StammkundeError KEY_FOREIGN when they are not · DB_UNREACHABLE
   */
  static async open(ports: KeyRotationPorts): Promise<KeyRotation> {
    await ports.database.transaction((tx) => establishKeys(tx, ports));
    const rotation = new KeyRotation(ports);
    rotation.#workIn(0);
    return rotation;
  }

  /** @throws StammkundeError DB_UNREACHABLE */
  async state(): Promise<RotationState> {
    const { database } = this.#ports;
    return database.transaction((tx) => this.#state(tx));
  }

  /**
   * Ends the rotation: from now on the server keeps nothing for tills that have only older keys.
   * @param ignored tills that are not waited for: gone, or to be loaded anew when they come back
   * @throws StammkundeError KEY_TILLS_BEHIND, naming what is missing, with nothing changed
   */
  async end(ignored: ReadonlySet<string>): Promise<RotationState> {
    const { database, indexer, log } = this.#ports;
    const state = await database.transaction(async (tx) => {
      // Nobody gives out a card meanwhile, perhaps under an older index.
      await changeOwnership(tx);
      const before = await this.#state(tx);
      const behind = before.tillsBehind.filter(({ till }) => !ignored.has(till));
      if (before.movedAt === null || before.waiting > 0 || behind.length > 0) {
        // They came after all were moved, and are not to wait for the next look.
        if (before.waiting > 0) this.#lookAgainMs = 0;
        throw new StammkundeError('KEY_TILLS_BEHIND', problemOf(before, behind));
      }
      await putMeta(tx, 'identifier_floor', String(indexer.version));
      return { ...before, floor: indexer.version };
    });
    this.#accountsAfter = '';
    log.warn({ event: 'identifier-keys.ended', version: indexer.version, ignored: [...ignored] });
    this.#workIn(0);
    return state;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#working;
  }

  #workIn(delayMs: number): void {
    if (this.#closed) return;
    this.#cancel();
    this.#cancel = this.#ports.clock.schedule(delayMs, () => {
      this.#working = this.step()
        .then((done) => this.#workIn(done > 0 ? PAUSE_MS : LOOK_MS))
        .catch((error: unknown) => {
          this.#ports.log.warn({ event: 'identifier-keys.failed', error: asError(error) });
          this.#workIn(LOOK_MS);
        });
    });
  }

  /** One slice of what there is to do; it is done by itself, too. @returns how many rows it was; 0 when nothing is left */
  async step(): Promise<number> {
    const { database, indexer, changes, clock, log } = this.#ports;
    if (indexer.version === 1) return 0;
    const moved = (await this.#isToLook()) ? await database.transaction((tx) => this.#move(tx)) : 0;
    if (moved > 0) {
      changes.changed();
      return moved;
    }
    const named = await this.#nameAccounts();
    if (named > 0) return named;
    const done = await database.transaction((tx) => noteMoved(tx, indexer.version, clock.now()));
    if (done) log.info({ event: 'identifier-keys.moved', version: indexer.version });
    const removed = await database.transaction((tx) => removeOlder(tx, this.#sliceRows));
    if (removed > 0) changes.changed();
    await database.transaction((tx) => this.#noteTills(tx));
    return removed;
  }

  /**
   * Once all is moved, what is under an older index can only come of a server that was not yet started with the newest
   * key: it is looked for now and then.
   */
  async #isToLook(): Promise<boolean> {
    const { database, indexer, clock } = this.#ports;
    if ((await readMovedAt(database.db, indexer.version)) === null) return true;
    const now = clock.monotonicMs();
    if (now < this.#lookAgainMs) return false;
    this.#lookAgainMs = now + LOOK_AGAIN_MS;
    return true;
  }

  async #move(tx: DatabaseTransaction): Promise<number> {
    const { indexer } = this.#ports;
    await holdOwnership(tx);
    return moveSlice(tx, indexer, this.#sliceRows);
  }

  /** Notes under which newest index the points wait that were earned under older ones, an account after the other. */
  async #nameAccounts(): Promise<number> {
    const { database, indexer } = this.#ports;
    const after = this.#accountsAfter;
    if (after === undefined) return 0;
    const ids = await database.transaction(async (tx) => {
      await holdOwnership(tx);
      const { rows } = await sql<{ id: string }>`
        select id from ledger_account where id like ${unclaimedAccount('_%')} and id > ${after}
        order by id limit ${this.#sliceRows}::bigint`.execute(tx);
      await reKey(
        tx,
        rows.flatMap(({ id }) => stepsFrom(indexer, id.slice(unclaimedAccount('').length)).slice(0, 1)),
      );
      return rows.map(({ id }) => id);
    });
    this.#accountsAfter = ids.length < this.#sliceRows ? undefined : ids.at(-1);
    return ids.length;
  }

  async #state(tx: DatabaseTransaction): Promise<RotationState> {
    const { indexer, keyNames, clock } = this.#ports;
    const { version } = indexer;
    await noteReadyTills(tx, await this.#holding(tx), clock.now());
    const { rows } = await sql<{ waiting: number; older: number }>`
      select (select count(*) from credential
              where alias_of is null and key_version < ${version}::int)::int as waiting,
             (select count(*) from credential
              where alias_of is not null and key_version < ${version}::int)::int as older`.execute(tx);
    return {
      version,
      floor: await readFloor(tx),
      waiting: rows[0]?.waiting ?? 0,
      olderForms: rows[0]?.older ?? 0,
      movedAt: await readMovedAt(tx, version),
      tillsBehind: await readTillsBehind(tx, version, keyNames.at(-1) ?? ''),
    };
  }

  async #noteTills(tx: DatabaseTransaction): Promise<void> {
    if ((await readFloor(tx)) === this.#ports.indexer.version) return;
    await noteReadyTills(tx, await this.#holding(tx), this.#ports.clock.now());
  }

  async #holding(tx: DatabaseTransaction): Promise<Parameters<typeof noteReadyTills>[1]> {
    const { indexer, keyNames } = this.#ports;
    return {
      version: indexer.version,
      keyName: keyNames.at(-1) ?? '',
      movedAt: await readMovedAt(tx, indexer.version),
    };
  }
}

/** @throws StammkundeError KEY_FOREIGN */
async function establishKeys(
  tx: DatabaseTransaction,
  { keyNames, indexer, clock }: KeyRotationPorts,
): Promise<void> {
  await tx
    .insertInto('server_meta')
    .values({ name: 'identifier_keys', value: '' })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const { value } = await tx
    .selectFrom('server_meta')
    .select('value')
    .where('name', '=', 'identifier_keys')
    .forUpdate()
    .executeTakeFirstOrThrow();
  const known = value === '' ? [] : value.split(' ');
  if (known.some((name, i) => keyNames[i] !== name)) {
    throw new StammkundeError(
      'KEY_FOREIGN',
      `the database was made with ${known.length} identifier keys, and the configured ones do not begin with them`,
    );
  }
  await putMeta(tx, 'identifier_keys', keyNames.join(' '));
  if (known.length > 0) return;
  // What was stored before anyone wrote down the keys is of the first one.
  const isEmpty = (await tx.selectFrom('credential').select('id').limit(1).executeTakeFirst()) === undefined;
  await putMeta(tx, 'identifier_floor', String(isEmpty ? indexer.version : 1));
  if (isEmpty) await noteMoved(tx, indexer.version, clock.now());
}

/** Those of the oldest keys first, as the index has them: what was moved before is not passed again. */
async function moveSlice(tx: DatabaseTransaction, indexer: BlindIndexer, limit: number): Promise<number> {
  const rows = await tx
    .selectFrom('credential')
    .select('index')
    .where('key_version', '<', indexer.version)
    .where('alias_of', 'is', null)
    .orderBy('key_version')
    .orderBy('id')
    .limit(limit)
    .forUpdate()
    .skipLocked()
    .execute();
  return reKey(
    tx,
    rows.flatMap(({ index }) => stepsFrom(indexer, index).slice(0, 1)),
  );
}

/** @returns whether all of it is moved, which was not known before */
async function noteMoved(tx: DatabaseTransaction, version: number, now: Instant): Promise<boolean> {
  if ((await readMovedAt(tx, version)) !== null) return false;
  const waiting = await tx
    .selectFrom('credential')
    .select('id')
    .where('key_version', '<', version)
    .where('alias_of', 'is', null)
    .orderBy('key_version')
    .limit(1)
    .executeTakeFirst();
  if (waiting !== undefined) return false;
  await putMeta(tx, `identifier_moved_${version}`, String(now));
  return true;
}

async function readMovedAt(tx: Queries, version: number): Promise<Instant | null> {
  const row = await tx
    .selectFrom('server_meta')
    .select('value')
    .where('name', '=', `identifier_moved_${version}`)
    .executeTakeFirst();
  return row === undefined ? null : Number(row.value);
}

async function removeOlder(tx: DatabaseTransaction, limit: number): Promise<number> {
  await holdOwnership(tx);
  const floor = await readFloor(tx);
  const { rows } = await sql`
    delete from credential where id in (
      select id from credential where alias_of is not null and key_version < ${floor}::int
      order by key_version, id limit ${limit}::bigint for update skip locked)
    returning id`.execute(tx);
  return rows.length;
}

async function putMeta(tx: DatabaseTransaction, name: string, value: string): Promise<void> {
  await tx
    .insertInto('server_meta')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}

function problemOf(state: RotationState, behind: readonly TillBehind[]): string {
  const named = behind.slice(0, 20).map(({ till, lacks }) => `${till} (${lacks})`);
  const more = behind.length > named.length ? ` and ${behind.length - named.length} more` : '';
  return [
    ...(state.movedAt === null || state.waiting > 0
      ? [`${state.waiting} credentials are still to be moved`]
      : []),
    ...(behind.length > 0 ? [`tills are behind: ${named.join(', ')}${more}`] : []),
  ].join('; ');
}
