import type { Clock, Instant } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { StoreId, TillId } from '../../sync/contract/ids.ts';
import type { Database } from '../database/database.ts';
import { readScopeSetting, scopeFor } from '../feed/programme-scope.ts';
import { EVERYTHING } from '../feed/scope.ts';
import type { FeedScope } from '../feed/scope.ts';

/** Where a till stands, as far as the server knows. */
export interface TillStore {
  readonly till: TillId;
  readonly store: StoreId;
  readonly at: Instant;
  /** Who said so; null: the till itself, with its first question. */
  readonly putBy: string | null;
}

/**
 * Where each till stands. The first store a till names is its store until somebody moves it, so that whoever has a till
 * in hand cannot walk through the customers of others by naming their stores.
 */
export class TillStores {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(ports: { readonly database: Database; readonly clock: Clock; readonly log: Log }) {
    this.#database = ports.database;
    this.#clock = ports.clock;
    this.#log = ports.log;
  }

  /**
   * What a till may be given of the customer base. One that names no store is given what is its store's; where it never
   * named one, everything, as a till that does not know of scopes.
   * @throws StammkundeError SCOPE_FOREIGN when it names another store than its own · DB_UNREACHABLE
   */
  async scopeOf(till: TillId, claimed: StoreId | undefined): Promise<FeedScope> {
    const setting = await readScopeSetting(this.#database.db);
    if (setting === undefined || setting.by === 'all') return EVERYTHING;
    const store =
      (await this.#read(till)) ?? (claimed === undefined ? undefined : await this.#bind(till, claimed));
    if (claimed !== undefined && store !== claimed) {
      throw new StammkundeError('SCOPE_FOREIGN', `${till} stands in ${store} and names ${claimed}`);
    }
    return scopeFor(setting, store);
  }

  /** Moves a till to a store; from its next question on it is given the customers of that one. */
  async move(till: TillId, store: StoreId, putBy: string): Promise<TillStore> {
    const row = { store, at: this.#clock.now(), put_by: putBy };
    await this.#database.db
      .insertInto('till_store')
      .values({ till, ...row })
      .onConflict((conflict) => conflict.column('till').doUpdateSet(row))
      .execute();
    this.#log.warn({ event: 'till.moved', till, store, orderedBy: putBy });
    return { till, store, at: row.at, putBy };
  }

  /** By name. */
  async list(): Promise<readonly TillStore[]> {
    return this.#database.db
      .selectFrom('till_store')
      .select(['till', 'store', 'at', 'put_by as putBy'])
      .orderBy('till')
      .execute();
  }

  async #read(till: TillId): Promise<StoreId | undefined> {
    const row = await this.#database.db
      .selectFrom('till_store')
      .select('store')
      .where('till', '=', till)
      .executeTakeFirst();
    return row?.store;
  }

  async #bind(till: TillId, store: StoreId): Promise<StoreId | undefined> {
    await this.#database.db
      .insertInto('till_store')
      .values({ till, store, at: this.#clock.now(), put_by: null })
      .onConflict((conflict) => conflict.column('till').doNothing())
      .execute();
    this.#log.info({ event: 'till.placed', till, store });
    // Another server process may have been faster, with another answer.
    return this.#read(till);
  }
}
