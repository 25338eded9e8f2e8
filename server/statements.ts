import type { KeyObject } from 'node:crypto';
import type { z } from 'zod';
import type { Clock } from '../foundation/clock.ts';
import { signStatement } from '../sync/contract/server-signature.ts';
import type { serverBodies, ServerBodyKind } from '../sync/contract/messages.ts';
import type { Database } from './database/database.ts';

/** How long a statement may be obeyed, ms. Only commands expire; the others carry it for completeness. */
const VALID_MS = 10 * 60_000;
/** Versions set aside at each start: a hundred million a day would last three years, and 90,000 starts fit a double. */
const RESERVED = 100_000_000_000;

/**
 * Signs what the server says. Versions grow with every statement, also across restarts and when the clock was set back:
 * each start sets a block of them aside in the database first.
 */
export class Statements {
  readonly #key: KeyObject;
  readonly #clock: Clock;
  #version: number;

  private constructor(key: KeyObject, clock: Clock, version: number) {
    this.#key = key;
    this.#clock = clock;
    this.#version = version;
  }

  /** @throws StammkundeError DB_UNREACHABLE */
  static async open(
    database: Database,
    ports: { readonly clock: Clock; readonly signingKey: KeyObject },
  ): Promise<Statements> {
    const version = await database.transaction(async (tx) => {
      const row = await tx
        .selectFrom('server_meta')
        .select('value')
        .where('name', '=', 'statement_version')
        .forUpdate()
        .executeTakeFirst();
      const first = Math.max(Number(row?.value ?? 0), ports.clock.now());
      const value = String(first + RESERVED);
      await tx
        .insertInto('server_meta')
        .values({ name: 'statement_version', value })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
        .execute();
      return first;
    });
    return new Statements(ports.signingKey, ports.clock, version);
  }

  /** @param to a till, or ALL_TILLS */
  sign<K extends ServerBodyKind>(kind: K, to: string, body: z.infer<(typeof serverBodies)[K]>): Buffer {
    this.#version += 1;
    return signStatement(
      { to, kind, version: this.#version, expiresAt: this.#clock.now() + VALID_MS, body },
      this.#key,
    );
  }
}
