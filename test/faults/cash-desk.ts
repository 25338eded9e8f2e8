import { z } from 'zod';
import type { Clock } from '../../foundation/clock.ts';
import { sleep } from '../../foundation/clock.ts';
import type { Random } from '../../foundation/random.ts';
import { uuidV7 } from '../../foundation/random.ts';
import { SaleView } from '../../edge/api/events.ts';
import { IdentificationView } from '../../edge/api/api-schemas.ts';
import type { FaultTill, KnownCustomer } from './fault-shop.ts';
import type { Oracle } from './oracle.ts';

const Refusal = z.looseObject({ code: z.string().min(1) });

/** Times a till may refuse a sale, or not answer, before the customer leaves. */
const PATIENCE = 8;
const AGAIN_MS = 60;

export interface DeskPorts {
  readonly oracle: Oracle;
  readonly clock: Clock;
  readonly random: Random;
  readonly round: () => number;
}

/** A POS that sells one thing after the other, and asks again for what was not answered, as a POS does. */
export class CashDesk {
  readonly #till: FaultTill;
  readonly #customers: readonly KnownCustomer[];
  readonly #ports: DeskPorts;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  /** Sales the till said OK to. */
  done = 0;
  /** Refusals by their code. */
  readonly refusals = new Map<string, number>();

  constructor(till: FaultTill, customers: readonly KnownCustomer[], ports: DeskPorts) {
    this.#till = till;
    this.#customers = customers;
    this.#ports = ports;
    this.#running = this.#sell();
    this.#running.catch(() => {});
  }

  /** Finishes the sale it is at, with the patience it has left. @throws what went wrong with the witness itself */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #sell(): Promise<void> {
    const { clock, random } = this.#ports;
    while (!this.#stopping.signal.aborted) {
      await this.#sellOne();
      await sleep(clock, 40 + random.next() * 120);
    }
  }

  async #sellOne(): Promise<void> {
    const { oracle, clock, random, round } = this.#ports;
    const saleId = uuidV7(clock.now(), random);
    const totalMinor = 100 + Math.floor(random.next() * 9_900);
    const customer =
      random.next() < 0.7 ? this.#customers[Math.floor(random.next() * this.#customers.length)] : undefined;
    oracle.note({ what: 'asked', round: round(), till: this.#till.name, saleId, totalMinor });
    // Some customers do not wait for a till that was gone for a moment.
    const patience = random.next() < 0.1 ? 1 : PATIENCE * 20;
    let refused = 0;
    let isCertain = false;
    let lastCode = '';
    for (let attempt = 0; attempt < patience && refused < PATIENCE; attempt += 1) {
      try {
        const entry = await this.#ask(saleId, totalMinor, customer);
        oracle.note({ what: 'ok', saleId, entry });
        this.done += 1;
        return;
      } catch (error) {
        const { data: refusal } = Refusal.safeParse(error);
        const isAnswer = error instanceof Error && error.name === 'RequestRefused' && refusal !== undefined;
        if (isAnswer) {
          refused += 1;
          lastCode = refusal.code;
          this.refusals.set(lastCode, (this.refusals.get(lastCode) ?? 0) + 1);
        }
        // After an answer that was lost, nobody knows.
        isCertain = isAnswer && (attempt === 0 || isCertain);
        await sleep(clock, AGAIN_MS);
      }
    }
    if (isCertain) oracle.note({ what: 'refused', saleId, code: lastCode });
  }

  async #ask(saleId: string, totalMinor: number, customer: KnownCustomer | undefined) {
    const { api, http } = this.#till;
    const opened = await api.openSale(saleId).catch(async (error: unknown) => {
      // It was completed before, and the answer was lost.
      const closed = await api.sale(saleId).catch(() => undefined);
      if (closed?.entry === null || closed === undefined) throw error;
      return closed;
    });
    if (opened.entry !== null && opened.status === 'completed') return opened.entry;
    if (customer !== undefined && opened.customer === null) {
      const { identificationId } = await http.call('POST', '/v1/identifications', IdentificationView, {
        number: customer.card,
      });
      await http.call('PUT', `/v1/sales/${saleId}/customer`, SaleView, { identificationId });
    }
    const first = Math.floor(totalMinor / 3);
    await api.putBasket(saleId, {
      currency: 'EUR',
      lines: [
        { id: '1', article: '4000000000013', quantityMilli: 1_000, totalMinor: first },
        { id: '2', article: '4000000000020', quantityMilli: 2_000, totalMinor: totalMinor - first },
      ],
      totalMinor,
    });
    const { entry } = await api.complete(saleId);
    if (entry === null) throw new Error('a completed sale without an entry');
    return entry;
  }
}
