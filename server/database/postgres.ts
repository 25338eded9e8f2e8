import { Kysely, PostgresDialect } from 'kysely';
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import { Pool, types } from 'pg';
import type { PoolClient } from 'pg';
import type { Clock } from '../../foundation/clock.ts';
import { withDeadline } from '../../foundation/deadline.ts';
import { isFault, ProgrammerError } from '../../foundation/errors.ts';
import type { StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import { asDatabaseFault } from './faults.ts';
import type { Tables } from './tables.ts';

const POOL_MAX = 8;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const LOCK_TIMEOUT_MS = 10_000;
/** A forgotten open transaction would hold back the change feed of every till. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000;
/** A statement that is not answered although the server would have ended it by now: nobody is there any more. */
const SILENCE_MS = STATEMENT_TIMEOUT_MS + 5_000;
/** The same for a statement that may take as long as the tables are large. */
const UPKEEP_SILENCE_MS = 4 * 3_600_000;
/**
 * What is looked up by key lies in memory, or on a disk without a head. With PostgreSQL's default of 4 a commit of a
 * thousand sales reads all customers there are instead of those it needs (PostgreSQL 15, 19.7.2).
 */
const RANDOM_PAGE_COST = 1.1;
/** Before the system asks whether the other end of an idle connection is still there. */
const KEEP_ALIVE_AFTER_MS = 30_000;

/** PostgreSQL type ids (pg_type.oid) of bigint and numeric. */
const INT8 = 20;
const NUMERIC = 1700;

/** How PGlite and PostgreSQL give whole numbers. */
export const numberParsers = { [INT8]: exactNumber, [NUMERIC]: exactNumber };

interface PostgresPorts {
  readonly clock: Clock;
  readonly log: Log;
}

/** Connections to a PostgreSQL. */
export interface Connections extends Closable {
  readonly db: Kysely<Tables>;
}

/**
 * Connections that serve tills and people: each statement ends within 35 s, with an answer or as a fault with the code
 * DB_UNREACHABLE, also when the network swallows what is sent.
 */
export function connectForService(url: string, ports: PostgresPorts): Connections {
  return connect(url, ports, { max: POOL_MAX }, SILENCE_MS, [
    `set statement_timeout = ${STATEMENT_TIMEOUT_MS}`,
    `set lock_timeout = ${LOCK_TIMEOUT_MS}`,
    `set idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_TIMEOUT_MS}`,
    `set random_page_cost = ${RANDOM_PAGE_COST}`,
  ]);
}

/**
 * One connection for what is done with whole tables before anyone is served. Its statements take as long as they take,
 * whatever the address or the role says of time; and the server lets go of locks soon when it hears nothing any more.
 */
export function connectForUpkeep(url: string, ports: PostgresPorts): Connections {
  return connect(url, ports, { max: 1 }, UPKEEP_SILENCE_MS, [
    'set statement_timeout = 0',
    'set idle_in_transaction_session_timeout = 0',
    'set tcp_keepalives_idle = 30',
    'set tcp_keepalives_interval = 10',
    'set tcp_keepalives_count = 3',
  ]);
}

/**
 * Connections for what people read of whole tables while tills are served: they take none from those, and as what reads
 * only gets no transaction id, they hold up no feed.
 * @param connections.patient statements take as long as they take; else they end within 35 s
 */
export function connectForReports(
  url: string,
  connections: { readonly max: number; readonly patient: boolean },
  ports: PostgresPorts,
): Connections {
  const { max, patient } = connections;
  const timeoutMs = patient ? 0 : STATEMENT_TIMEOUT_MS;
  return connect(url, ports, { max }, patient ? UPKEEP_SILENCE_MS : SILENCE_MS, [
    `set statement_timeout = ${timeoutMs}`,
    `set lock_timeout = ${timeoutMs}`,
    `set idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_TIMEOUT_MS}`,
    'set default_transaction_read_only = on',
  ]);
}

/**
 * @param settings statements each connection begins with. A pooler between that keeps sessions passes them on; of
 *   parameters of the connection it knows few (PgBouncer, ignore_startup_parameters), and those it ignored would be missed.
 */
function connect(
  url: string,
  { clock, log }: PostgresPorts,
  limits: { readonly max: number },
  silenceMs: number,
  settings: readonly string[],
): Connections {
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    application_name: 'stammkunde-server',
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8 || oid === NUMERIC
          ? exactNumber
          : // The overloads of pg do not admit a format that may be either.
            (types.getTypeParser(oid, format as 'text') as (text: string) => unknown),
    },
    ...limits,
  });
  // A pooled connection that breaks while idle is replaced by the pool; without a listener it would end the process.
  pool.on('error', (error) => log.warn({ event: 'database.connection_lost', error }));
  const db = new Kysely<Tables>({
    dialect: new PostgresDialect({
      pool: new BoundedPool(pool, { clock, silenceMs, settings: settings.join('; ') }),
    }),
  });
  return {
    db,
    close: async () => {
      await db.destroy();
      // kysely ends the pool only once it was used
      if (!pool.ended) await pool.end();
    },
  };
}

/** A pool whose connections are given up once one of their statements was not answered. */
class BoundedPool implements PostgresPool {
  readonly options = {};
  readonly #pool: Pool;
  readonly #about: { readonly clock: Clock; readonly silenceMs: number; readonly settings: string };
  readonly #clients = new WeakMap<PoolClient, BoundedClient>();

  /** @param about.settings what each connection is told first */
  constructor(
    pool: Pool,
    about: { readonly clock: Clock; readonly silenceMs: number; readonly settings: string },
  ) {
    this.#pool = pool;
    this.#about = about;
  }

  async connect(): Promise<PostgresPoolClient> {
    const client = await this.#pool.connect().catch((error: unknown): never => {
      throw asDatabaseFault(error);
    });
    const known = this.#clients.get(client);
    if (known !== undefined) return known;
    // The pool listens while a connection is idle. In use, one that breaks fails the statement under way and tells it a
    // second time here, perhaps between two statements: unheard, that would end the process.
    client.on('error', () => {});
    const { clock, silenceMs, settings } = this.#about;
    const bounded = new BoundedClient(client, clock, silenceMs);
    try {
      await bounded.query(settings, []);
    } catch (error) {
      // The pool counts it until it is let go of.
      bounded.release(true);
      throw asDatabaseFault(error);
    }
    this.#clients.set(client, bounded);
    return bounded;
  }

  end(): Promise<void> {
    return this.#pool.end();
  }
}

class BoundedClient implements PostgresPoolClient {
  readonly #client: PoolClient;
  readonly #clock: Clock;
  readonly #silenceMs: number;
  #lost: StammkundeError | undefined;

  constructor(client: PoolClient, clock: Clock, silenceMs: number) {
    this.#client = client;
    this.#clock = clock;
    this.#silenceMs = silenceMs;
  }

  query<R>(statement: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query<R>(
    statement: string | PostgresCursor<R>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    if (typeof statement !== 'string') throw new ProgrammerError('no result is read through a cursor');
    return this.#ask(statement, parameters);
  }

  /** A connection that fell silent is closed: what it was asked may still be answered, and would be taken for more. */
  release(destroy = false): void {
    this.#client.release(destroy || this.#lost !== undefined);
  }

  async #ask<R>(statement: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    // Also the end of a transaction: it would wait behind the statement that is not answered.
    if (this.#lost !== undefined) throw this.#lost;
    // Both describe the same result of pg; kysely does not depend on its types.
    const answer = this.#client.query(statement, [...parameters]) as unknown as Promise<
      PostgresQueryResult<R>
    >;
    // Told by the deadline when it comes too late.
    answer.catch(() => {});
    try {
      return await withDeadline(answer, {
        clock: this.#clock,
        deadlineMs: this.#silenceMs,
        code: 'DB_UNREACHABLE',
        what: 'an answer of the database',
      });
    } catch (error) {
      if (isFault(error, 'DB_UNREACHABLE')) this.#lost = error;
      throw error;
    }
  }
}

/** @throws ProgrammerError when the number cannot be represented exactly */
function exactNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new ProgrammerError('a whole number of the database is too large');
  return number;
}
