import net from 'node:net';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import { Pool } from 'pg';
import { asError } from '../../../foundation/errors.ts';
import type { Log, LogFields } from '../../../foundation/log.ts';
import { migrations } from '../../../server/database/migrations.ts';

/** Puts a PostgreSQL where a server of an earlier version left it. */
export async function migrateTo(url: string, name: keyof typeof migrations): Promise<void> {
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new Pool({ connectionString: url }) }),
  });
  try {
    await sql`drop schema public cascade`.execute(db);
    await sql`create schema public`.execute(db);
    const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
    const { error } = await migrator.migrateTo(name);
    if (error !== undefined) throw asError(error);
  } finally {
    await db.destroy();
  }
}

/** A log of which events can be awaited. */
export class ToldEvents implements Log {
  readonly events: string[] = [];
  readonly #awaited = new Map<string, () => void>();

  /** Resolves when the event is told the next time. */
  next(event: string): Promise<void> {
    return new Promise((resolve) => this.#awaited.set(event, resolve));
  }

  info(fields: LogFields): void {
    const event = String(fields['event']);
    this.events.push(event);
    this.#awaited.get(event)?.();
  }

  error(fields: LogFields): void {
    this.info(fields);
  }

  warn(fields: LogFields): void {
    this.info(fields);
  }

  debug(): void {}
}

/** A way to a PostgreSQL that can be made to swallow whatever is sent, without a word. */
export class SilentWay {
  readonly url: string;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #silent = false;
  #swallowed: () => void = () => {};

  private constructor(server: net.Server, port: number) {
    this.#server = server;
    this.url = `postgres://test@127.0.0.1:${port}/postgres`;
  }

  static async to(url: string): Promise<SilentWay> {
    const folder = new URL(url).searchParams.get('host') ?? '';
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const way = new SilentWay(server, typeof address === 'object' && address !== null ? address.port : 0);
    server.on('connection', (socket) => way.#carry(socket, net.connect(`${folder}/.s.PGSQL.5432`)));
    return way;
  }

  /** From now on nothing is carried. Resolves when something was swallowed. */
  fallSilent(): Promise<void> {
    this.#silent = true;
    return new Promise((resolve) => (this.#swallowed = resolve));
  }

  /** New connections are carried again; those that fell silent stay so. */
  recover(): void {
    this.#sockets.clear();
    this.#silent = false;
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #carry(socket: net.Socket, beyond: net.Socket): void {
    const pair = [socket, beyond] as const;
    for (const one of pair) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => pair.forEach((each) => each.destroy()));
      const other = one === socket ? beyond : socket;
      one.on('data', (bytes) => {
        if (this.#silent || !this.#sockets.has(one)) this.#swallowed();
        else other.write(bytes);
      });
    }
  }
}
