import { PGlite } from '@electric-sql/pglite';
import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely';
import type { Closable } from '../../foundation/lifecycle.ts';
import { asError } from '../../foundation/errors.ts';
import type { Queries, DatabasePorts } from './database.ts';
import { establishEpoch } from './epoch.ts';
import { migrate } from './migrate.ts';
import { numberParsers } from './postgres.ts';
import { PreparedStatements } from './prepared-statements.ts';
import { TableChanges } from './table-changes.ts';
import type { Tables } from './tables.ts';

/** Transactions that may be prepared at once, by who simulates writers beside the one connection. */
const PREPARED_MAX = 16;

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  /** Within a transaction; false of its begin, true of its end. */
  readonly inTransaction: boolean;
}

export interface StatementResult {
  readonly rows: readonly unknown[];
  readonly affectedRows?: number | undefined;
}

/**
 * What stands between a client and the engine. It may carry a statement out, as it is or changed, late or not at all,
 * and answer what it likes.
 */
export type StatementGate = (
  statement: Statement,
  carryOut: (statement: Statement) => Promise<StatementResult>,
) => Promise<StatementResult>;

/** A client of the engine, as one server process is. */
export interface EngineSession {
  readonly db: Queries;
  /**
   * Breaks it off, as when the process is killed: its transaction is undone, and nothing it asks is answered any more.
   */
  breakOff(): Promise<void>;
}

const openGate: StatementGate = (statement, carryOut) => carryOut(statement);

/**
 * A database in memory that several simulated processes share and that can be put back to its beginning. Everything it
 * does is done in microtasks, so that who steps through time sees each answer before time goes on.
 *
 * There is one connection below: transactions come one after the other. What happens between those that overlap is
 * what PostgreSQL's own tests are for; an overlapping writer can be had by `prepare transaction`.
 */
export class MemoryEngine implements Closable {
  readonly #pglite: PGlite;
  readonly #prepared: PreparedStatements;
  readonly #turn = new Turn();
  /** What may have changed since. */
  readonly changes = new TableChanges();
  #tables: readonly string[] = [];
  #sequences: readonly string[] = [];

  private constructor(pglite: PGlite) {
    this.#pglite = pglite;
    this.#prepared = new PreparedStatements(pglite);
  }

  /** Opens an empty database of the present schema. */
  static async open(ports: DatabasePorts): Promise<MemoryEngine> {
    const pglite = await PGlite.create({
      parsers: numberParsers,
      postgresqlconf: [
        `max_prepared_transactions = ${PREPARED_MAX}`,
        // The same plan whatever was asked before.
        'plan_cache_mode = force_generic_plan',
      ],
    });
    const engine = new MemoryEngine(pglite);
    await migrate(engine.session().db, ports);
    await engine.#keepBeginning();
    return engine;
  }

  /** Runs a statement past all gates, when no transaction is under way. */
  async query<T>(sql: string, parameters: readonly unknown[] = []): Promise<readonly T[]> {
    const release = await this.#turn.take();
    try {
      const { rows } = await this.#run({ sql, parameters, inTransaction: false });
      // The caller names the columns, and thereby the shape of T.
      return rows as T[];
    } finally {
      release();
    }
  }

  /** Runs several statements past all gates, with nothing in between. */
  async alone(work: (run: (sql: string) => Promise<void>) => Promise<void>): Promise<void> {
    const release = await this.#turn.take();
    try {
      await work(async (sql) => {
        await this.#run({ sql, parameters: [], inTransaction: true });
      });
    } finally {
      release();
    }
  }

  /** Like {@link query}, also within whatever transaction is under way. */
  async peek<T>(sql: string): Promise<readonly T[]> {
    const { rows } = await this.#prepared.query(sql, []);
    // As with query.
    return rows as T[];
  }

  session(gate: StatementGate = openGate): EngineSession {
    const driver = new SessionDriver({
      turn: this.#turn,
      gate,
      run: (statement) => this.#run(statement),
    });
    const db = new Kysely<Tables>({
      dialect: {
        createAdapter: () => new PostgresAdapter(),
        createDriver: () => driver,
        createIntrospector: (each) => new PostgresIntrospector(each),
        createQueryCompiler: () => new PostgresQueryCompiler(),
      },
    });
    return { db, breakOff: () => driver.breakOff() };
  }

  /** Back to the beginning: as it was after the migrations, under a new epoch. @returns the epoch */
  async reset(ports: DatabasePorts): Promise<string> {
    for (const { gid } of await this.query<{ gid: string }>('select gid from pg_prepared_xacts')) {
      await this.query(`rollback prepared '${gid}'`);
    }
    const touched = await this.query<{ name: string }>(
      `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
       and pg_relation_size(oid) > 0 order by relname`,
    );
    const names = touched.map(({ name }) => name).filter((name) => this.#tables.includes(name));
    // Truncated, so that rows lie in their files in the same order each time.
    await this.#pglite.exec(`
      set session_replication_role = replica;
      ${names.length === 0 ? '' : `truncate ${names.map((name) => `public."${name}"`).join(', ')} cascade;`}
      ${names.map((name) => `insert into public."${name}" overriding system value select * from beginning."${name}";`).join('\n')}
      set session_replication_role = origin;
      ${this.#sequences.map((name) => `alter sequence public."${name}" restart;`).join('\n')}`);
    this.changes.carriedOut('truncate');
    return establishEpoch(this.session().db, { ...ports, restored: false });
  }

  close(): Promise<void> {
    return this.#pglite.close();
  }

  async #keepBeginning(): Promise<void> {
    const tables = await this.query<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public' order by tablename`,
    );
    this.#tables = tables.map(({ name }) => name).filter((name) => !name.startsWith('kysely'));
    const sequences = await this.query<{ name: string }>(
      `select sequencename as name from pg_sequences where schemaname = 'public' order by sequencename`,
    );
    this.#sequences = sequences.map(({ name }) => name);
    await this.#pglite.exec(`
      create schema beginning;
      ${this.#tables.map((name) => `create table beginning."${name}" as table public."${name}";`).join('\n')}`);
  }

  async #run({ sql, parameters }: Statement): Promise<StatementResult> {
    this.changes.carriedOut(sql);
    return IS_PREPARED.test(sql)
      ? this.#prepared.query(sql, parameters)
      : this.#pglite.query(sql, [...parameters]);
  }
}

/** What is asked again and again, and keeps its meaning while tables keep their columns. */
const IS_PREPARED = /^\s*(?:select|with|insert|update|delete|\(|begin$|commit$|rollback$)/i;

/** One after the other, in the order in which they asked. */
class Turn {
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  /** @returns what gives it back, once */
  async take(): Promise<() => void> {
    if (this.#taken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#taken = true;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken = false;
      else next();
    };
  }
}

interface SessionPorts {
  readonly turn: Turn;
  readonly gate: StatementGate;
  readonly run: (statement: Statement) => Promise<StatementResult>;
}

class SessionDriver implements Driver {
  readonly #ports: SessionPorts;
  readonly #releases = new Map<DatabaseConnection, () => void>();
  #current: SessionConnection | undefined;
  #broken = false;

  constructor(ports: SessionPorts) {
    this.#ports = ports;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    const release = await this.#ports.turn.take();
    if (this.#broken) {
      release();
      return never();
    }
    const connection = new SessionConnection(this.#ports, () => this.#broken);
    this.#releases.set(connection, release);
    this.#current = connection;
    return connection;
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).begin();
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).end('commit');
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).end('rollback');
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    await own(connection).undo();
    if (this.#current === connection) this.#current = undefined;
    this.#releases.get(connection)?.();
    this.#releases.delete(connection);
  }

  async destroy(): Promise<void> {}

  async breakOff(): Promise<void> {
    this.#broken = true;
    const connection = this.#current;
    if (connection === undefined) return;
    this.#current = undefined;
    await connection.undo();
    this.#releases.get(connection)?.();
    this.#releases.delete(connection);
  }
}

class SessionConnection implements DatabaseConnection {
  readonly #ports: SessionPorts;
  readonly #isBroken: () => boolean;
  /** A transaction is open in the engine. */
  #open = false;

  constructor(ports: SessionPorts, isBroken: () => boolean) {
    this.#ports = ports;
    this.#isBroken = isBroken;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, affectedRows } = await this.#ask(query.sql, query.parameters);
    return {
      ...(affectedRows === undefined ? {} : { numAffectedRows: BigInt(affectedRows) }),
      // Kysely knows the shape of the rows of its own statement.
      rows: [...rows] as R[],
    };
  }

  // eslint-disable-next-line require-yield
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('nothing is streamed from memory');
  }

  async begin(): Promise<void> {
    await this.#ask('begin', []);
  }

  async end(how: 'commit' | 'rollback'): Promise<void> {
    if (!this.#open) return;
    await this.#ask(how, []);
  }

  /** As the server does when a connection is gone. */
  async undo(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#ports.run({ sql: 'rollback', parameters: [], inTransaction: true });
  }

  async #ask(sql: string, parameters: readonly unknown[]): Promise<StatementResult> {
    if (this.#isBroken()) return never();
    try {
      const result = await this.#ports.gate({ sql, parameters, inTransaction: this.#open }, (statement) =>
        this.#carryOut(statement),
      );
      return this.#isBroken() ? await never() : result;
    } catch (error) {
      if (this.#isBroken()) return never();
      throw asError(error);
    }
  }

  async #carryOut(statement: Statement): Promise<StatementResult> {
    if (this.#isBroken()) return never();
    const result = await this.#ports.run(statement);
    if (statement.sql === 'begin') this.#open = true;
    if (statement.sql === 'commit' || statement.sql === 'rollback') this.#open = false;
    return result;
  }
}

function own(connection: DatabaseConnection): SessionConnection {
  if (connection instanceof SessionConnection) return connection;
  throw new TypeError('a connection of another driver');
}

/** What a process asks that was killed. */
function never(): Promise<never> {
  return new Promise(() => {});
}
