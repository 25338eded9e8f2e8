import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { startPostgres } from '../../../support/postgres.ts';
import type { BenchDocument } from '../bench-documents.ts';
import type { Peer, PeerKind } from '../peer.ts';

/** PostgreSQL in the process, as WebAssembly, in a folder. It never waits for the disk. */
export const pglite: PeerKind = {
  label: 'PGlite, in a folder',
  survives: 'kill -9',
  documentsMax: 200_000,
  open: async ({ folder }) => {
    const database = await PGlite.create(join(folder, 'peer'));
    return SqlPeer.open({
      // PGlite keeps no statement by a name of the caller's.
      rows: async (_name, text, values) => (await database.query<Row>(text, [...values])).rows,
      close: () => database.close(),
    });
  },
};

/** PostgreSQL in processes of its own, on a Unix socket, with fsync off as PGlite has it: no network, no disk. */
export const postgres: PeerKind = {
  label: 'PostgreSQL, Unix socket',
  survives: 'kill -9',
  documentsMax: Infinity,
  open: async () => {
    const server = await startPostgres();
    if ('missing' in server) return server;
    const client = new pg.Client({ connectionString: server.url });
    try {
      await client.connect();
      return await SqlPeer.open({
        rows: async (name, text, values) =>
          (await client.query<Row>({ name, text, values: [...values] })).rows,
        close: async () => {
          await client.end();
          await server.close();
        },
      });
    } catch (error) {
      await server.close();
      throw error;
    }
  },
};

interface Row {
  readonly doc: unknown;
}

interface Connection {
  rows(name: string, text: string, values: readonly unknown[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

class SqlPeer implements Peer {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async open(connection: Connection): Promise<SqlPeer> {
    await connection.rows(
      'create',
      'CREATE TABLE card (id text PRIMARY KEY, customer text NOT NULL, doc jsonb NOT NULL)',
      [],
    );
    await connection.rows('index', 'CREATE INDEX ON card (customer)', []);
    return new SqlPeer(connection);
  }

  async bulkLoad(documents: readonly BenchDocument[]): Promise<void> {
    await this.#connection.rows(
      'load',
      'INSERT INTO card SELECT * FROM unnest($1::text[], $2::text[], $3::jsonb[])',
      [
        documents.map(({ index }) => index),
        documents.map(({ customerId }) => customerId),
        documents.map((document) => JSON.stringify(document)),
      ],
    );
  }

  async lookup(index: string): Promise<unknown> {
    const [row] = await this.#connection.rows('lookup', 'SELECT doc FROM card WHERE id=$1', [index]);
    return row?.doc;
  }

  async cardsOf(customerId: string): Promise<readonly unknown[]> {
    const text = 'SELECT doc FROM card WHERE customer=$1 ORDER BY id';
    return (await this.#connection.rows('cards', text, [customerId])).map(({ doc }) => doc);
  }

  async update(document: BenchDocument): Promise<void> {
    const values = [document.index, JSON.stringify(document)];
    await this.#connection.rows('update', 'UPDATE card SET doc=$2 WHERE id=$1', values);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
