import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { z } from 'zod';
import type { Clock } from '../foundation/clock.ts';
import { isFault, StammkundeError } from '../foundation/errors.ts';
import { ALL_TILLS, signStatement, verifyStatement } from '../sync/contract/server-signature.ts';
import type { serverBodies, ServerBodyKind } from '../sync/contract/messages.ts';
import type { Database } from './database/database.ts';
import { STATEMENT_VERSION, VERSIONS_PER_MS } from './database/statement-versions.ts';

/** How long a statement may be obeyed, ms. Only commands expire, and no order to wipe one journal; the others carry it for completeness. */
const VALID_MS = 10 * 60_000;
/** Versions set aside at a time: as many as time alone adds in a second, and no signer makes as many in it. */
const VERSIONS_ASIDE = 1_000_000;
export interface StatementPorts {
  readonly clock: Clock;
  readonly signingKey: KeyObject;
  /** Versions set aside at a time. */
  readonly versionsAside?: number;
}

/**
 * What a till takes only when it is newer than the last it took. With several servers each of these gets its version from
 * the database itself: out of blocks, a server that began long ago would be overtaken by one that began later, and not
 * be heard again.
 */
const ORDERED: ReadonlySet<ServerBodyKind> = new Set<ServerBodyKind>(['command', 'urgent', 'head']);

/**
 * Signs what the server says. Versions grow with every statement, also across restarts, when the clock was set back and
 * when the database was. Those of receipts and answers are taken from small blocks, each set aside in the database before
 * its first is used; what is ordered among all servers has each version set aside for itself.
 */
export class Statements {
  readonly #database: Database;
  readonly #key: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #clock: Clock;
  readonly #aside: number;
  /** The last version used. */
  #version = 0;
  /** The last version set aside. */
  #limit = 0;
  #reserving: Promise<void> | undefined;

  constructor(database: Database, { clock, signingKey, versionsAside = VERSIONS_ASIDE }: StatementPorts) {
    this.#database = database;
    this.#key = signingKey;
    this.#publicKey = createPublicKey(signingKey);
    this.#clock = clock;
    this.#aside = versionsAside;
  }

  /**
   * @param to a till, or ALL_TILLS
   * @throws StammkundeError DB_UNREACHABLE · SIGN_EXHAUSTED
   */
  async sign<K extends ServerBodyKind>(
    kind: K,
    to: string,
    body: z.infer<(typeof serverBodies)[K]>,
  ): Promise<Buffer> {
    const version = ORDERED.has(kind) ? (await this.#setAside(1)) + 1 : await this.#next();
    return signStatement({ to, kind, version, expiresAt: this.#clock.now() + VALID_MS, body }, this.#key);
  }

  /** What a server with the same key, perhaps this one, said to all tills; undefined when it was none. */
  readOwn<K extends ServerBodyKind>(
    kind: K,
    payload: Uint8Array,
  ): z.infer<(typeof serverBodies)[K]> | undefined {
    try {
      const [publicKey, now] = [this.#publicKey, this.#clock.now()];
      return verifyStatement(payload, { kind, till: ALL_TILLS, publicKey, now }).body;
    } catch (error) {
      if (isFault(error)) return undefined;
      throw error;
    }
  }

  async #next(): Promise<number> {
    while (this.#version >= this.#limit) {
      this.#reserving ??= this.#reserve().finally(() => (this.#reserving = undefined));
      await this.#reserving;
    }
    this.#version += 1;
    return this.#version;
  }

  async #reserve(): Promise<void> {
    const first = await this.#setAside(this.#aside);
    this.#version = first;
    this.#limit = first + this.#aside;
  }

  /** Sets versions aside that no other server uses, and later ones only get greater. @returns the one before the first */
  #setAside(count: number): Promise<number> {
    return this.#database.transaction(async (tx) => {
      // The row must stand before it can be locked: two servers at their first start would both begin at nothing.
      await tx
        .insertInto('server_meta')
        .values({ name: STATEMENT_VERSION, value: '0' })
        .onConflict((conflict) => conflict.column('name').doNothing())
        .execute();
      const row = await tx
        .selectFrom('server_meta')
        .select('value')
        .where('name', '=', STATEMENT_VERSION)
        .forUpdate()
        .executeTakeFirstOrThrow();
      const start = Math.max(Number(row.value), Math.floor(this.#clock.now() * VERSIONS_PER_MS));
      if (!Number.isSafeInteger(start + count)) {
        throw new StammkundeError('SIGN_EXHAUSTED', `no version of statements is left after ${row.value}`);
      }
      await tx
        .updateTable('server_meta')
        .set({ value: String(start + count) })
        .where('name', '=', STATEMENT_VERSION)
        .execute();
      return start;
    });
  }
}
