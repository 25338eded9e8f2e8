import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { connect } from 'mqtt';
import type { MqttClient } from 'mqtt';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { Closable } from '../../foundation/lifecycle.ts';
import { asError } from '../../foundation/errors.ts';
import { verifyStatement } from '../../sync/contract/server-signature.ts';
import { TENANT } from './fault-shop.ts';
import { holdsOneOf } from './raw-numbers.ts';

/** A receipt as it passed. */
export interface SeenReceipt {
  readonly till: string;
  readonly incarnation: string;
  readonly contiguous: number;
  readonly hash: string | null;
}

/** Receipts remembered, each once; more are a fault of the test itself. */
const RECEIPTS_MAX = 1_000_000;
const WRONG_MAX = 20;
const Standing = z.object({ contiguous: z.coerce.number(), hash: z.string().nullable() });

/**
 * Listens at the broker to everything. Of each receipt it looks at once whether the database has what it says; and no
 * message may hold the number of a card.
 */
export class BusCapture implements Closable {
  readonly receipts = new Map<string, SeenReceipt>();
  readonly wrong: string[] = [];
  messages = 0;
  /** Receipts held against the database the moment they passed; the others came while it was away. */
  checkedAtOnce = 0;
  readonly #client: MqttClient;
  readonly #pool: Pool;
  readonly #publicKey: KeyObject;
  readonly #numbers: readonly Buffer[];
  readonly #checks = new Set<Promise<void>>();

  private constructor(client: MqttClient, pool: Pool, publicKey: string, numbers: readonly string[]) {
    this.#client = client;
    this.#pool = pool;
    this.#publicKey = createPublicKey(publicKey);
    this.#numbers = numbers.map((number) => Buffer.from(number));
    client.on('message', (topic, payload) => this.#see(topic, payload));
    client.on('error', () => {});
  }

  static async open(
    port: number,
    pool: Pool,
    { publicKey, numbers }: { readonly publicKey: string; readonly numbers: readonly string[] },
  ): Promise<BusCapture> {
    const client = connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 50, resubscribe: true });
    const capture = new BusCapture(client, pool, publicKey, numbers);
    await client.subscribeAsync('#', { qos: 0 });
    return capture;
  }

  /** Resolves when every receipt seen so far was looked at. */
  async idle(): Promise<void> {
    while (this.#checks.size > 0) await Promise.all(this.#checks);
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
    await this.idle();
  }

  #see(topic: string, payload: Buffer): void {
    this.messages += 1;
    if (holdsOneOf(payload, this.#numbers)) this.#complain(`a card’s number is in a message on ${topic}`);
    const till = new RegExp(`/${TENANT}/([a-z0-9-]+)/receipt$`).exec(topic)?.[1];
    if (till === undefined) return;
    try {
      const { body } = verifyStatement(payload, {
        kind: 'receipt',
        till,
        publicKey: this.#publicKey,
        now: 0,
      });
      const { incarnation, contiguous, hash } = body;
      const key = `${till}/${incarnation}/${contiguous}/${hash ?? ''}`;
      if (contiguous === 0 || this.receipts.has(key)) return;
      if (this.receipts.size >= RECEIPTS_MAX) throw new Error('too many receipts to remember');
      const seen = { till, incarnation, contiguous, hash };
      this.receipts.set(key, seen);
      const check = this.#check(seen).finally(() => this.#checks.delete(check));
      this.#checks.add(check);
    } catch (error) {
      this.#complain(`a receipt for ${till} cannot be read: ${asError(error).message}`);
    }
  }

  async #check({ till, incarnation, contiguous, hash }: SeenReceipt): Promise<void> {
    const answer = await this.#pool
      .query(
        `select p.contiguous, (select j.hash from till_journal j where j.till = p.till
           and j.incarnation = p.incarnation and j.seq = $3) as hash
         from till_progress p where p.till = $1 and p.incarnation = $2`,
        [till, incarnation, contiguous],
      )
      .catch(() => undefined);
    if (answer === undefined) return;
    this.checkedAtOnce += 1;
    const standing = Standing.safeParse(answer.rows[0]).data;
    if (standing === undefined || standing.contiguous < contiguous || standing.hash !== hash)
      this.#complain(
        `a receipt for ${till} up to ${contiguous} passed when the database had ${standing?.contiguous ?? 'nothing'}`,
      );
  }

  #complain(what: string): void {
    if (this.wrong.length < WRONG_MAX) this.wrong.push(what);
  }
}
