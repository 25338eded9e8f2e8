import { SAME_TRIGGER_MS } from '../drivers/double-read.ts';
import type { Clock } from '../foundation/clock.ts';
import { sleep } from '../foundation/clock.ts';
import { uuidV7 } from '../foundation/random.ts';
import type { Random } from '../foundation/random.ts';
import type { Identification, SaleView } from '../edge/api/events.ts';
import type { Basket } from '../sync/contract/basket.ts';
import { demoProgramme } from './demo-programme.ts';
import { scannerFrame } from './readers/virtual-scanner.ts';
import type { PlannedSale } from './sales-plan.ts';
import { SHOP } from './shop-files.ts';
import type { TrialBalance } from './server-client.ts';
import type { Shop } from './shop.ts';
import type { ShowableCard } from './showable-cards.ts';
import { READERS } from './readers/counter.ts';
import type { TillEvents } from './till-events.ts';
import { waitUntil } from './wait-until.ts';

/** What a day without a person came to; points are those of the sales as the till showed them. */
export interface DayReport {
  readonly scans: number;
  readonly identified: number;
  readonly sales: number;
  readonly confirmed: number;
  readonly points: number;
  readonly ledgerBalanced: boolean;
  /** 99th percentile of what the till says it took from the last byte to the verdict. */
  readonly identifyP99Ms: number;
}

/** What differs from what must be; empty when all is well. */
export type Differences = string[];

const EVENT_DEADLINE_MS = 5_000;
const DISCONNECT_DEADLINE_MS = 30_000;
const CONFIRM_DEADLINE_MS = 90_000;
const LOOK_EVERY_MS = 100;
/** Between two scans, ms: no person is faster. */
const SCAN_GAP_MS = 20;
/** Between two scans of the same code, ms: in less than {@link SAME_TRIGGER_MS} the till takes them for one. */
const SAME_CODE_GAP_MS = 2 * SAME_TRIGGER_MS;

interface Sold {
  readonly sale: SaleView;
  readonly planned: PlannedSale;
}

/**
 * Sells a planned day through the real scanner and the real API, breaking and mending the network as planned, then
 * compares what the till and the server hold with what was sold.
 */
export class UnattendedShop {
  readonly #shop: Shop;
  readonly #events: TillEvents;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #say: (line: string) => void;
  readonly #differences: Differences = [];
  /** When each code was last before the scanner, monotonic ms. */
  readonly #shownAt = new Map<string, number>();
  readonly #tookMs: number[] = [];
  readonly #sold: Sold[] = [];
  #scans = 0;
  #offline = { scans: 0, sales: 0 };

  private constructor(
    shop: Shop,
    events: TillEvents,
    ports: { readonly clock: Clock; readonly random: Random; readonly say: (line: string) => void },
  ) {
    this.#shop = shop;
    this.#events = events;
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#say = ports.say;
  }

  /** @throws Error when something does not come at all, such as the answer to a scan */
  static async run(
    shop: Shop,
    plan: readonly PlannedSale[],
    ports: { readonly clock: Clock; readonly random: Random; readonly say: (line: string) => void },
  ): Promise<{ readonly report: DayReport; readonly differences: Differences }> {
    const events = await shop.events();
    try {
      const day = new UnattendedShop(shop, events, ports);
      const before = await shop.server.trialBalance();
      await day.#sell(plan);
      return { report: await day.#close(before), differences: day.#differences };
    } finally {
      await events.close();
    }
  }

  async #sell(plan: readonly PlannedSale[]): Promise<void> {
    for (const planned of plan) {
      await this.#network(planned.network);
      await this.#sellOne(planned);
    }
    await this.#network('up');
  }

  async #network(state: PlannedSale['network']): Promise<void> {
    const { network, till } = this.#shop;
    if (network.state === state) return;
    this.#say(`network ${state}`);
    const wasUp = network.state === 'up';
    if (state === 'up') await this.#proveOffline();
    this.#shop.setNetwork(state);
    if (!wasUp || state !== 'cut') return;
    // From here on every scan and every sale is one without the server, and the till knows it.
    await waitUntil(async () => ((await till.status()).sync.server === 'disconnected' ? true : undefined), {
      clock: this.#clock,
      deadlineMs: DISCONNECT_DEADLINE_MS,
      everyMs: LOOK_EVERY_MS,
      what: 'a till that knows it is cut off',
    });
  }

  /** Before the network is mended: what was sold without it waits in the till's journal, all of it. */
  async #proveOffline(): Promise<void> {
    const { unconfirmed } = (await this.#shop.till.status()).sync;
    if (this.#offline.sales === 0) this.#differences.push('no sale was made without the network');
    if (this.#offline.scans === 0) this.#differences.push('no card was shown without the network');
    if (unconfirmed < this.#offline.sales) {
      this.#differences.push(
        `${this.#offline.sales} sales were made without the network, only ${unconfirmed} wait`,
      );
    }
    this.#say(
      `without the network: ${this.#offline.scans} cards identified, ${this.#offline.sales} sales completed`,
    );
  }

  async #sellOne(planned: PlannedSale): Promise<void> {
    const { till } = this.#shop;
    const saleId = uuidV7(this.#clock.now(), this.#random);
    const { customer, lines } = planned;
    if (customer?.moment === 'before') await this.#show(customer.shows);
    await till.openSale(saleId);
    await this.#scanProduct(planned);
    if (customer?.moment === 'during') {
      await till.putBasket(saleId, basketOf(planned, Math.ceil(lines.length / 2)));
      await this.#show(customer.shows);
    }
    await till.putBasket(saleId, basketOf(planned, lines.length));
    if (customer?.moment === 'after') await this.#show(customer.shows);
    const sale = await till.complete(saleId);
    this.#sold.push({ sale, planned });
    if (planned.network !== 'up') this.#offline.sales += 1;
    this.#checkSale(sale, planned);
  }

  async #show({ card, verdict, member }: ShowableCard): Promise<void> {
    await this.#aimAt(card.number);
    const identified = this.#events.next('identified', () => true, EVENT_DEADLINE_MS);
    await this.#shop.scanners.serial.send(scannerFrame(card.scannerPrefix, card.number));
    const { identification, tookMs } = await identified;
    this.#scans += 1;
    this.#tookMs.push(tookMs);
    if (this.#shop.network.state !== 'up') this.#offline.scans += 1;
    if (identification.verdict !== verdict) {
      this.#differences.push(
        `card …${card.number.slice(-4)} showed ${identification.verdict}, not ${verdict}`,
      );
    } else if (identification.verdict === 'known' && identification.customer.id !== member?.id) {
      this.#differences.push(`card …${card.number.slice(-4)} showed another customer`);
    }
  }

  /** Takes as long as a hand does from one code to the next. */
  async #aimAt(code: string): Promise<void> {
    const before = this.#shownAt.get(code) ?? Number.NEGATIVE_INFINITY;
    await sleep(this.#clock, Math.max(SCAN_GAP_MS, before + SAME_CODE_GAP_MS - this.#clock.monotonicMs()));
    this.#shownAt.set(code, this.#clock.monotonicMs());
  }

  async #scanProduct({ scanned }: PlannedSale): Promise<void> {
    await this.#aimAt(scanned.gtin);
    const told = this.#events.next('scan', (scan) => scan.readerId === READERS.serial, EVENT_DEADLINE_MS);
    await this.#shop.scanners.serial.send(scannerFrame(']E0', scanned.gtin));
    const { outcome } = await told;
    this.#scans += 1;
    if (outcome.kind !== 'product' || outcome.code !== scanned.gtin) {
      this.#differences.push(`article ${scanned.gtin} was taken for ${outcome.kind}`);
    }
  }

  #checkSale(sale: SaleView, { customer }: PlannedSale): void {
    const verdict: Identification['verdict'] | undefined = sale.customer?.identification.verdict;
    if (verdict !== customer?.shows.verdict) {
      this.#differences.push(
        `sale ${sale.saleId} (customer shown ${customer?.moment ?? 'never'}) has ${verdict ?? 'no customer'} instead of ${customer?.shows.verdict ?? 'none'}`,
      );
    }
    if (sale.status !== 'completed' || sale.entry === null) {
      this.#differences.push(
        `sale ${sale.saleId} is ${sale.status} and ${sale.entry === null ? 'not ' : ''}in the journal`,
      );
    }
  }

  /** @param before the ledger before the first sale */
  async #close(before: TrialBalance): Promise<DayReport> {
    const { server, till } = this.#shop;
    this.#say('waiting until the server has confirmed everything …');
    const unconfirmed = await waitUntil(
      async () => ((await till.status()).sync.unconfirmed === 0 ? 0 : undefined),
      { clock: this.#clock, deadlineMs: CONFIRM_DEADLINE_MS, everyMs: LOOK_EVERY_MS, what: 'confirmation' },
    ).catch(async () => (await till.status()).sync.unconfirmed);
    if (unconfirmed > 0) this.#differences.push(`${unconfirmed} entries are not confirmed`);
    const trial = await server.trialBalance();
    await this.#compareJournal();
    await this.#compareLedger(trial.transactions - before.transactions);
    if (!trial.balanced || trial.debits !== trial.credits) {
      this.#differences.push(`the ledger does not balance: debits ${trial.debits}, credits ${trial.credits}`);
    }
    const points = this.#sold.reduce((sum, { sale }) => sum + sale.points.total, 0);
    const moved = trial.debits - before.debits;
    if (moved !== points) {
      this.#differences.push(`the till showed ${points} points, the ledger moved ${moved}`);
    }
    return {
      scans: this.#scans,
      identified: this.#tookMs.length,
      sales: this.#sold.length,
      confirmed: this.#sold.length - unconfirmed,
      points,
      ledgerBalanced: trial.balanced && trial.debits === trial.credits,
      identifyP99Ms: percentile99(this.#tookMs),
    };
  }

  /** The server holds the till's journal whole, and nothing of it was refused or set aside. */
  async #compareJournal(): Promise<void> {
    const journals = await this.#shop.server.journalsOf(SHOP.till);
    const expected = this.#sold.length;
    const [journal] = journals;
    const asSold =
      journals.length === 1 &&
      journal?.entries === expected &&
      journal.created === expected &&
      journal.contiguous === expected &&
      journal.highest === expected &&
      journal.refused === 0 &&
      journal.quarantined === 0;
    if (!asSold) {
      this.#differences.push(
        `${expected} sales were made, the server’s journals are ${JSON.stringify(journals)}`,
      );
    }
  }

  /** Every sale is one transaction of the ledger, and those of a known customer are in that customer's account once. */
  async #compareLedger(transactions: number): Promise<void> {
    if (transactions !== this.#sold.length) {
      this.#differences.push(
        `${this.#sold.length} sales were made, the ledger has ${transactions} transactions`,
      );
    }
    const byCustomer = new Map<string, Map<string, number>>();
    for (const { sale, planned } of this.#sold) {
      const customerId =
        planned.customer?.shows.verdict === 'known' ? planned.customer.shows.member?.id : undefined;
      if (customerId === undefined || sale.entry === null || sale.points.total === 0) continue;
      const entries = byCustomer.get(customerId) ?? new Map<string, number>();
      byCustomer.set(customerId, entries.set(sale.entry.id, sale.points.total));
    }
    for (const [customerId, expected] of byCustomer) {
      const lines = await this.#shop.server.ledgerOf(customerId);
      for (const [entryId, points] of expected) {
        const found = lines.filter((line) => line.transactionId === entryId);
        if (found.length !== 1 || found[0]?.points !== points) {
          this.#differences.push(
            `entry ${entryId} is ${found.length} times in the ledger of ${customerId}, with ${found[0]?.points ?? 0} instead of ${points} points`,
          );
        }
      }
    }
  }
}

/** The first lines of a planned basket, as the POS prices them. */
function basketOf({ lines }: PlannedSale, count: number): Basket {
  const priced = lines.slice(0, count).map(({ article, pieces }, i) => ({
    id: String(i + 1),
    article: article.gtin,
    category: article.category,
    quantityMilli: pieces * 1000,
    totalMinor: pieces * article.priceMinor,
  }));
  return {
    currency: demoProgramme.currency,
    lines: priced,
    totalMinor: priced.reduce((sum, line) => sum + line.totalMinor, 0),
  };
}

function percentile99(durationsMs: readonly number[]): number {
  const sorted = durationsMs.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.max(0, Math.ceil(sorted.length * 0.99) - 1)] ?? 0) * 1000) / 1000;
}
