import { sql } from 'kysely';
import type { Database } from '../../server/database/database.ts';

/** A database whose transactions have done their work and are not committed before they are told. */
export interface HeldDatabase {
  readonly database: Database;
  /** Resolves when the first of them has done its work. */
  readonly worked: Promise<void>;
  /** Lets them be committed. */
  readonly go: () => void;
}

/** Holds transactions open just before their commit: where another comes between, it comes between here. */
export function heldBeforeCommit(database: Database): HeldDatabase {
  const gate = Promise.withResolvers<void>();
  const worked = Promise.withResolvers<void>();
  const transaction: Database['transaction'] = (work) =>
    database.transaction(async (tx) => {
      const result = await work(tx);
      worked.resolve();
      await gate.promise;
      return result;
    });
  const held = new Proxy(database, {
    get: (target, name): unknown =>
      name === 'transaction' ? transaction : Reflect.get(target, name, target),
  });
  return { database: held, worked: worked.promise, go: gate.resolve };
}

/** Resolves when somebody waits for a lock that another has. */
export async function untilSomebodyWaits(database: Database): Promise<void> {
  for (;;) {
    const { rows } = await sql`select from pg_locks where not granted limit 1`.execute(database.db);
    if (rows.length > 0) return;
  }
}
