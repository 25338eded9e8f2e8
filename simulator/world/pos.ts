import { sleep } from '../../foundation/clock.ts';
import { isFault } from '../../foundation/errors.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { SaleView } from '../../edge/api/events.ts';
import type { Basket } from '../../sync/contract/basket.ts';
import { Credential } from '../../sync/contract/credential.ts';
import type { CardNumber } from '../card-numbers.ts';
import { Killed } from './faulty-disk.ts';
import { ProcessClock } from './world-time.ts';
import type { WorldTime } from './world-time.ts';
import type { TillProcess, WorldTill } from './world-till.ts';

/** How often a POS asks again that was not answered, ms. */
const AGAIN_MS = 5_000;
/** Shares of the sales that are voided, and brought back. */
const [VOIDED, RETURNED] = [0.08, 0.12];

/** What a POS was told, and keeps in a book that no fault reaches. */
export interface Told {
  readonly kind: 'completed' | 'voided';
  readonly till: string;
  readonly saleId: string;
  readonly entry: { readonly seq: number; readonly id: string; readonly hash: string };
}

/** Goods that a till said it has taken back, maybe another one than sold them. */
export interface ToldReturn {
  readonly till: string;
  readonly returnId: string;
  readonly saleId: string;
}

/** What a POS wanted, told or not. */
export interface Wanted {
  readonly till: string;
  readonly saleId: string;
  readonly basket: Basket;
  readonly card: CardNumber | undefined;
  voids: boolean;
  /** All of it is brought back, piece by piece, by return id. */
  readonly returns: Map<string, string>;
}

export interface PosPorts {
  readonly time: WorldTime;
  readonly random: Random;
  readonly till: WorldTill;
  /** Where goods can be brought back. */
  readonly tills: readonly WorldTill[];
  readonly cards: readonly CardNumber[];
  /** Between customers on average, ms. */
  readonly customerEveryMs: number;
  readonly tell: (what: string) => void;
}

/** The point of sale: sells, asks again until it is answered, and remembers what it was told. */
export class Pos {
  readonly told: Told[] = [];
  readonly toldReturns: ToldReturn[] = [];
  readonly wanted = new Map<string, Wanted>();
  readonly #ports: PosPorts;
  readonly #clock: ProcessClock;
  #open = true;
  #busy = false;

  constructor(ports: PosPorts) {
    this.#ports = ports;
    this.#clock = new ProcessClock(ports.time);
  }

  /** Serves one customer after the other until {@link close}. */
  run(): void {
    void this.#serve();
  }

  /** The last customer is still served. */
  close(): void {
    this.#open = false;
  }

  get idle(): boolean {
    return !this.#open && !this.#busy;
  }

  async #serve(): Promise<void> {
    const { random, customerEveryMs } = this.#ports;
    while (this.#open) {
      await sleep(this.#clock, -Math.log(1 - random.next()) * customerEveryMs);
      if (!this.#open) return;
      this.#busy = true;
      await this.#sell();
      this.#busy = false;
    }
  }

  async #sell(): Promise<void> {
    const { random, till, cards, time } = this.#ports;
    const card = random.next() < 0.8 ? cards[Math.floor(random.next() * cards.length)] : undefined;
    const saleId = uuidV7(time.startedAt + time.nowMs, random);
    const basket = basketOf(random);
    const wanted: Wanted = { till: till.name, saleId, basket, card, voids: false, returns: new Map() };
    this.wanted.set(saleId, wanted);
    while (!(await this.#ring(wanted))) {
      // The till knows nothing of the sale any more: it is rung up again.
      this.#ports.tell(`${till.name} has lost the open sale ${saleId}`);
    }
    const after = random.next();
    if (after < VOIDED) {
      wanted.voids = true;
      await this.#pause(20_000);
      const view = await this.#ask((process) => process.sales.void(saleId));
      if (view !== undefined) this.#note('voided', view);
    } else if (after < VOIDED + RETURNED) {
      await this.#bringBack(wanted);
    }
  }

  /** Everything, in pieces, in any order, at any till: also before the sale has reached the server. */
  async #bringBack({ saleId, basket, returns }: Wanted): Promise<void> {
    const { random, tills, time, tell } = this.#ports;
    const pieces = basket.lines
      .flatMap(({ id: lineId, quantityMilli }) => {
        const part = Math.floor(random.next() * quantityMilli);
        const parts = part === 0 || random.next() < 0.5 ? [quantityMilli] : [part, quantityMilli - part];
        return parts.map((each) => ({ lineId, quantityMilli: each, order: random.next() }));
      })
      .sort((a, b) => a.order - b.order);
    for (const { lineId, quantityMilli } of pieces) {
      await this.#pause(30_000);
      const till = tills[Math.floor(random.next() * tills.length)] ?? this.#ports.till;
      const returnId = uuidV7(time.startedAt + time.nowMs, random);
      returns.set(returnId, till.name);
      await this.#ask(
        (process) => process.returns.take({ returnId, saleId, lines: [{ lineId, quantityMilli }] }),
        undefined,
        till,
      );
      this.toldReturns.push({ till: till.name, returnId, saleId });
      tell(`${till.name} told returned ${returnId} of ${saleId}`);
    }
  }

  async #ring({ saleId, basket, card }: Wanted): Promise<boolean> {
    await this.#ask((process) => process.sales.open({ saleId, currency: 'EUR' }), 'SALE_CLOSED');
    await this.#pause(3_000);
    if (card !== undefined) {
      await this.#ask((process) => present(process, card, this.#ports));
      await this.#pause(2_000);
    }
    const put = await this.#ask((process) => process.sales.putBasket(saleId, basket));
    if (put === undefined) return false;
    await this.#pause(5_000);
    const view = await this.#ask((process) => process.sales.complete(saleId));
    if (view === undefined) return false;
    this.#note('completed', view);
    return true;
  }

  #note(kind: Told['kind'], view: SaleView): void {
    const { till, tell } = this.#ports;
    const { entry, saleId } = view;
    if (entry === null) throw new Error('a closed sale has an entry');
    this.told.push({ kind, till: till.name, saleId, entry });
    tell(`${till.name} told ${kind} ${saleId} ${entry.seq} ${entry.hash.slice(0, 16)}`);
  }

  /** Asks until it is answered. Undefined when the till does not know what is asked about. */
  async #ask<T>(
    question: (process: TillProcess) => T,
    known?: 'SALE_CLOSED',
    till: WorldTill = this.#ports.till,
  ): Promise<T | undefined> {
    for (;;) {
      const { process } = till;
      try {
        if (process !== undefined) return question(process);
      } catch (error) {
        if (isFault(error, 'SALE_NOT_FOUND') || (known !== undefined && isFault(error, known)))
          return undefined;
        const isPassing =
          error instanceof Killed ||
          isFault(error, 'DATA_DISK_FULL') ||
          isFault(error, 'DATA_UNWRITABLE') ||
          isFault(error, 'JRN_FULL');
        if (!isPassing) throw error;
        this.#ports.tell(`${till.name} refuses: ${isFault(error) ? error.code : 'killed'}`);
      }
      await sleep(this.#clock, AGAIN_MS);
    }
  }

  #pause(atMostMs: number): Promise<void> {
    return sleep(this.#clock, Math.ceil(this.#ports.random.next() * atMostMs));
  }
}

function present(process: TillProcess, card: CardNumber, { random, time }: PosPorts): void {
  const credential = new Credential(card.kind, card.scheme, 'L1', card.number);
  const { index, as } = process.identifier.identify(credential);
  process.sales.present({
    identificationId: uuidV7(time.startedAt + time.nowMs, random),
    credential: credential.toString(),
    index,
    kind: card.kind,
    trust: 'L1',
    as,
  });
}

function basketOf(random: Random): Basket {
  const lines = Array.from({ length: 1 + Math.floor(random.next() * 3) }, (_line, i) => ({
    id: String(i + 1),
    article: `a${Math.floor(random.next() * 100)}`,
    quantityMilli: 1_000,
    totalMinor: 1 + Math.floor(random.next() * 5_000),
  }));
  return { currency: 'EUR', lines, totalMinor: lines.reduce((sum, line) => sum + line.totalMinor, 0) };
}
