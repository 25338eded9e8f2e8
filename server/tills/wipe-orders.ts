import { sql } from 'kysely';
import { asError } from '../../foundation/errors.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { Bus } from '../../sync/bus.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import type { TillState } from '../../sync/contract/messages.ts';
import type { Topics } from '../../sync/contract/topics.ts';
import type { Database, Queries } from '../database/database.ts';
import type { Statements } from '../statements.ts';
import { chooseJournal, readTillJournals } from './till-journals.ts';

/** Who ordered something that cannot be undone, and why, as they say. */
export interface OrderedBy {
  readonly orderedBy: string;
  readonly reason?: string | undefined;
}

/** An order that stands. */
export interface WipeOrder {
  readonly id: string;
  readonly till: TillId;
  /** The journal that is meant, when the server knew the till; null: whichever it has. */
  readonly incarnation: string | null;
  readonly at: number;
  /** Whether it went to the broker at once; a till that is away gets it when it comes. */
  readonly sent: boolean;
}

/**
 * Orders stolen tills to destroy what they hold. An order stands, and is given again each time the till shows up, until
 * somebody lifts it; a till that is set up anew under the same name has another journal and is not meant. Each order
 * and each lifting is kept for good, with who gave it.
 */
export class WipeOrders implements Closable {
  readonly #ports: {
    readonly database: Database;
    readonly bus: Pick<Bus, 'publish'>;
    readonly topics: Topics;
    readonly statements: Pick<Statements, 'sign'>;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  };
  readonly #repeating = new Set<Promise<void>>();

  constructor(ports: {
    readonly database: Database;
    readonly bus: Pick<Bus, 'publish'>;
    readonly topics: Topics;
    readonly statements: Pick<Statements, 'sign'>;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  }) {
    this.#ports = ports;
  }

  /**
   * @param incarnation the journal that is meant; needed where the name had several
   * @throws StammkundeError WIPE_AMBIGUOUS, naming the journals there were, with nothing ordered · DB_UNREACHABLE ·
   *   SIGN_EXHAUSTED, after which the order may stand
   */
  async order(till: TillId, by: OrderedBy, incarnation?: string): Promise<WipeOrder> {
    const { database, clock, random, log } = this.#ports;
    const at = clock.now();
    const id = uuidV7(at, random);
    const meant = await database.transaction(async (tx) => {
      const chosen = chooseJournal(till, await readTillJournals(tx, till), incarnation);
      await tx
        .insertInto('till_order')
        .values({ ...rowOf(till, by), id, incarnation: chosen, kind: 'wipe', at })
        .execute();
      return chosen;
    });
    log.warn({ event: 'till.wipe.ordered', till, incarnation: meant, orderId: id, orderedBy: by.orderedBy });
    return { id, till, incarnation: meant, at, sent: await this.#send(till, meant) };
  }

  /** Ends all orders that stand for the name; what was wiped stays wiped. @returns whether there was one */
  async lift(till: TillId, by: OrderedBy): Promise<boolean> {
    const { database, clock, random, log } = this.#ports;
    const at = clock.now();
    const lifted = await database.transaction(async (tx) => {
      const order = await readStanding(tx, till);
      if (order === undefined) return false;
      await tx
        .insertInto('till_order')
        .values({ ...rowOf(till, by), id: uuidV7(at, random), incarnation: null, kind: 'wipe-lifted', at })
        .execute();
      return true;
    });
    if (lifted) log.warn({ event: 'till.wipe.lifted', till, orderedBy: by.orderedBy });
    return lifted;
  }

  /** Tills told their state: those that are to be wiped are told again. Only takes note. */
  reported(states: readonly TillState[]): void {
    const online = states.filter((state) => state.online);
    if (online.length === 0) return;
    const repeating = this.#repeat(online)
      .catch((error: unknown) => {
        this.#ports.log.error({ event: 'till.wipe.not-repeated', error: asError(error) });
      })
      .finally(() => void this.#repeating.delete(repeating));
    this.#repeating.add(repeating);
  }

  async close(): Promise<void> {
    await Promise.all(this.#repeating);
  }

  async #repeat(online: readonly TillState[]): Promise<void> {
    const { database, log } = this.#ports;
    for (const { till, incarnation } of await this.#ordered(database.db, online)) {
      log.warn({ event: 'till.wipe.repeated', till });
      await this.#send(till, incarnation);
    }
  }

  async #ordered(
    db: Queries,
    online: readonly TillState[],
  ): Promise<readonly { readonly till: TillId; readonly incarnation: string | null }[]> {
    const names = online.map(({ till }) => till);
    const { rows } = await sql<{ till: TillId; incarnation: string | null }>`
      select distinct o.till, o.incarnation from till_order o
      where o.till = any(${names}::text[]) and o.kind = 'wipe'
        and not exists (select from till_order l
                        where l.till = o.till and l.kind = 'wipe-lifted' and l.position > o.position)`.execute(
      db,
    );
    const shown = new Map(online.map((state) => [state.till, state.incarnation]));
    return rows.filter(({ till, incarnation }) => incarnation === null || incarnation === shown.get(till));
  }

  async #send(till: TillId, incarnation: string | null): Promise<boolean> {
    const { bus, topics, statements } = this.#ports;
    const statement = await statements.sign('command', till, { kind: 'wipe', incarnation });
    return (await bus.publish(topics.command(till), statement, { qos: 1 })) === 'sent';
  }
}

function rowOf(
  till: TillId,
  { orderedBy, reason }: OrderedBy,
): { readonly till: TillId; readonly ordered_by: string; readonly reason: string | null } {
  return { till, ordered_by: orderedBy, reason: reason ?? null };
}

async function readStanding(db: Queries, till: TillId): Promise<{ readonly id: string } | undefined> {
  const row = await db
    .selectFrom('till_order')
    .select(['id', 'kind'])
    .where('till', '=', till)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.kind === 'wipe' ? row : undefined;
}
