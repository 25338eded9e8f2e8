import { join } from 'node:path';
import type Database from 'better-sqlite3-multiple-ciphers';
import Sqlite from 'better-sqlite3-multiple-ciphers';
import type { BenchDocument } from '../bench-documents.ts';
import type { Peer, PeerKind, PeerSetting } from '../peer.ts';

/** Nothing between the program and SQLite but JSON: what a storage over the same driver cannot be faster than. */
function rawSqlite(encrypted: boolean): PeerKind {
  return {
    label: encrypted ? 'raw SQLite, encrypted (AEGIS)' : 'raw SQLite, plain',
    survives: 'kill -9',
    documentsMax: Infinity,
    open: async (setting) => new RawSqlite(openFile(setting, encrypted)),
  };
}

export const plainSqlite = rawSqlite(false);
export const encryptedSqlite = rawSqlite(true);

/** Cipher, page cache, journal and overwriting of deleted content as in the till's storage. */
function openFile({ folder, key }: PeerSetting, encrypted: boolean): Database.Database {
  const database = new Sqlite(join(folder, 'peer.db'));
  if (encrypted) {
    database.pragma("cipher='aegis'");
    database.pragma(`key='raw:${Buffer.from(key).toString('hex')}${'00'.repeat(16)}'`);
  }
  database.pragma('journal_mode=WAL');
  database.pragma('synchronous=NORMAL');
  database.pragma('secure_delete=ON');
  database.pragma('cache_size=-32768');
  database.exec('CREATE TABLE card (id TEXT NOT NULL UNIQUE, customer TEXT NOT NULL, doc TEXT NOT NULL)');
  database.exec('CREATE INDEX card_by_customer ON card (customer, id)');
  return database;
}

class RawSqlite implements Peer {
  readonly #database: Database.Database;
  readonly #load: (documents: readonly BenchDocument[]) => void;
  readonly #select: Database.Statement;
  readonly #selectByCustomer: Database.Statement;
  readonly #update: Database.Statement;

  constructor(database: Database.Database) {
    this.#database = database;
    const insert = database.prepare('INSERT INTO card VALUES (?, ?, ?)');
    this.#load = (documents) => {
      database.exec('BEGIN');
      for (const document of documents) {
        insert.run(document.index, document.customerId, JSON.stringify(document));
      }
      database.exec('COMMIT');
    };
    this.#select = database.prepare('SELECT doc FROM card WHERE id=?').pluck();
    this.#selectByCustomer = database.prepare('SELECT doc FROM card WHERE customer=? ORDER BY id').pluck();
    this.#update = database.prepare('UPDATE card SET doc=? WHERE id=?');
  }

  bulkLoad(documents: readonly BenchDocument[]): void {
    this.#load(documents);
  }

  lookup(index: string): unknown {
    return parsed(this.#select.get(index));
  }

  cardsOf(customerId: string): readonly unknown[] {
    return this.#selectByCustomer.all(customerId).map(parsed);
  }

  update(document: BenchDocument): void {
    this.#update.run(JSON.stringify(document), document.index);
  }

  async close(): Promise<void> {
    this.#database.close();
  }
}

function parsed(text: unknown): unknown {
  return typeof text === 'string' ? JSON.parse(text) : undefined;
}
