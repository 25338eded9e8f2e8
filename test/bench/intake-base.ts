import { Client } from 'pg';
import type { Clock } from '../../foundation/clock.ts';
import { silentLog } from '../../foundation/log.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { SystemRandom } from '../../foundation/random.ts';
import { SchemeCardNumbers } from '../../server/cards/card-numbers.ts';
import { Customers } from '../../server/customers/customers.ts';
import { Database } from '../../server/database/database.ts';
import { putOffer, putProgramme } from '../../server/programme/programme-store.ts';
import { demoCardSchemes } from '../../simulator/demo-card-schemes.ts';
import { demoOffers, demoProgramme } from '../../simulator/demo-programme.ts';
import { CardSchemes } from '../../sync/contract/card-scheme.ts';
import { DurablePostgres } from '../faults/durable-postgres.ts';
import { cardOf, customerId } from './intake-sales.ts';
import type { Shoppers } from './intake-sales.ts';

/** Customers made in one transaction. */
const BATCH = 1_000;
const BASE = 'base';

/** A PostgreSQL that syncs what it commits, with a database of customers, rules and offers to make copies of. */
export class IntakeBase implements Closable {
  /** What was changed of PostgreSQL's own settings. */
  static readonly settings: readonly string[] = ['shared_buffers=512MB', 'max_wal_size=4GB'];
  readonly #postgres: DurablePostgres;
  readonly #opened: Opened;
  #copies = 0;

  private constructor(postgres: DurablePostgres, opened: Opened) {
    this.#postgres = postgres;
    this.#opened = opened;
  }

  static async open(bin: string, shoppers: Shoppers, clock: Clock): Promise<IntakeBase> {
    const opened = new Opened();
    try {
      const postgres = opened.add(await DurablePostgres.open(bin, clock, IntakeBase.settings));
      const base = new IntakeBase(postgres, opened);
      await base.#do('postgres', `create database ${BASE}`);
      await fill(base.#urlOf(BASE), shoppers, clock);
      return base;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /**
   * Runs `work` on a fresh copy and removes it. What was written before is on the disk by then, so that no copy pays for
   * another.
   */
  async withCopy<T>(work: (url: string) => Promise<T>): Promise<T> {
    this.#copies += 1;
    const name = `copy${this.#copies}`;
    await this.#do('postgres', `create database ${name} template ${BASE}`);
    await this.#do('postgres', 'checkpoint');
    try {
      return await work(this.#urlOf(name));
    } finally {
      await this.#do('postgres', `drop database ${name} with (force)`);
    }
  }

  close(): Promise<void> {
    return this.#opened.close();
  }

  #urlOf(name: string): string {
    return this.#postgres.url.replace('/postgres?', `/${name}?`);
  }

  async #do(name: string, statement: string): Promise<void> {
    const client = new Client({ connectionString: this.#urlOf(name) });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  }
}

async function fill(url: string, { customers, indexer, at }: Shoppers, clock: Clock): Promise<void> {
  const ports = { clock, random: new SystemRandom(), log: silentLog };
  const database = await Database.open({ url }, ports);
  try {
    await database.transaction(async (tx) => {
      await putProgramme(tx, demoProgramme, at);
      for (const offer of demoOffers(at)) await putOffer(tx, offer, at);
    });
    const maker = new Customers({
      ...ports,
      database,
      cardNumbers: new SchemeCardNumbers(CardSchemes.parse(demoCardSchemes), indexer, ports),
      changes: { changed: () => {}, urgent: () => {} },
    });
    for (let from = 0; from < customers; from += BATCH) {
      const outcomes = await maker.create(
        Array.from({ length: Math.min(BATCH, customers - from) }, (_, i) => ({
          id: customerId(from + i, at),
          tier: 'basic',
          purposes: [],
          greeting: null,
          cards: [{ scheme: 'house', number: cardOf(from + i), validUntil: null }],
        })),
      );
      const refused = outcomes.find(({ verdict }) => verdict !== 'created');
      if (refused !== undefined) throw new Error(`a customer was not made: ${refused.verdict}`);
    }
  } finally {
    await database.close();
  }
}
