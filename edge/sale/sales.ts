import { StammkundeError, asError } from '../../foundation/errors.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { Log } from '../../foundation/log.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import { emptyBasket } from '../../sync/contract/basket.ts';
import type { Basket } from '../../sync/contract/basket.ts';
import type { TrustLevel } from '../../sync/contract/credential.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import type { SaleTransaction } from '../../sync/contract/transaction.ts';
import type { SaleView, WaitingView } from '../api/events.ts';
import { judgeBurn, redeemedParts } from '../../sync/contract/programme/burn.ts';
import type { RedeemedPoints } from '../../sync/contract/redemption.ts';
import type { AllowanceStore } from '../journal/allowance-store.ts';
import type { SaleRedemption } from './redemption.ts';
import { checkBasket, sameBasket } from './basket-rules.ts';
import { evaluate } from './evaluation.ts';
import type { Identified } from './identified.ts';
import { RecentIdentifications } from './recent-identifications.ts';
import { reversedByVoid } from './reversal.ts';
import type { RuleBook } from './rule-book.ts';
import { closedView, customerView, openView } from './sale-view.ts';
import type { SaleStore } from './sale-store.ts';
import type { OpenSale } from './sale-view.ts';
import { redemptionOf, saleCustomer } from './settlement.ts';
import { restoredCustomer, storedCustomer } from './stored-sale.ts';

/** How long an identification waits for a sale to open, ms. */
const WAIT_MS = 2 * 60 * 1_000;
/** How long an identification can be attached by its id, ms. */
const REMEMBER_MS = 30 * 60 * 1_000;
const OPEN_MAX = 50;

export interface SalesOptions {
  readonly store: SaleStore;
  /** The rules in force; asked anew for every view. */
  readonly rules: () => RuleBook;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly storeId: string;
  /** Currency of a sale opened without one, while the replica holds no programme. */
  readonly currency: string;
  /** Sales that may be open at once. */
  readonly openMax?: number;
  /** Makes the code a receipt is claimed with; undefined for a till without a token of its own. */
  readonly receiptCode?: ((sale: { readonly saleId: string; readonly at: number }) => string) | undefined;
  /** Where points that were taken without the server are noted. */
  readonly allowances?: Pick<AllowanceStore, 'note'>;
  /** How long a customer identified before the sale waits for it, ms. */
  readonly waitMs?: number;
}

/**
 * The sales of this till.
 *
 * ```
 *   open ──complete──▶ completed ──void──▶ voided
 *     └───────────────void───────────────────▲
 * ```
 *
 * Every call may be repeated: it finds its work done and answers the same. Each change is on the disk before it is
 * answered or told; one that cannot be written is not made. A sale without lines may be completed: a POS whose
 * customer changed their mind must be able to end it, and it earns nothing.
 */
export class Sales {
  readonly #options: SalesOptions;
  readonly #open = new Map<string, OpenSale>();
  readonly #recent: RecentIdentifications;
  readonly #listeners = new Set<(sale: SaleView) => void>();
  readonly #letGo = new Set<(redemptionId: string) => void>();

  /** Takes up the sales that were open when the till last ended. @throws StammkundeError JRN_CORRUPT */
  constructor(options: SalesOptions) {
    this.#options = options;
    this.#recent = new RecentIdentifications(options.clock, options.waitMs ?? WAIT_MS, REMEMBER_MS);
    for (const stored of options.store.all()) {
      const customer = stored.customer === null ? null : restoredCustomer(stored.customer);
      const redemption = redemptionOf(customer, stored.redemption);
      this.#open.set(stored.saleId, { ...stored, customer, redemption });
    }
  }

  /** Calls back with each changed sale; the callback only notes it. The returned function ends it. */
  onChange(listener: (sale: SaleView) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Calls back with each redemption that an open sale was to be paid with and is not any more, because it was voided, has
   * another customer or one who cannot pay with points, or is paid otherwise. The callback only notes it. The returned function ends it.
   */
  onLetGo(listener: (redemptionId: string) => void): () => void {
    this.#letGo.add(listener);
    return () => void this.#letGo.delete(listener);
  }

  /**
   * Opens a sale, or finds it open. A customer who was identified just before is attached to it.
   * @throws StammkundeError SALE_CONFLICT (other currency) · SALE_CLOSED · SALE_LIMIT · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  open(request: { readonly saleId?: string | undefined; readonly currency?: string | undefined }): SaleView {
    const known = request.saleId === undefined ? undefined : this.#open.get(request.saleId);
    if (known !== undefined) {
      if (request.currency === undefined || request.currency === known.currency) return this.#view(known);
      throw new StammkundeError('SALE_CONFLICT', `sale ${known.saleId} is open in ${known.currency}`);
    }
    if (request.saleId !== undefined && this.#options.store.closed(request.saleId) !== undefined)
      throw new StammkundeError('SALE_CLOSED', `sale ${request.saleId} was closed before`);
    const openMax = this.#options.openMax ?? OPEN_MAX;
    if (this.#open.size >= openMax) throw new StammkundeError('SALE_LIMIT', `${openMax} sales are open`);

    const { clock, random, currency: fallback } = this.#options;
    const now = clock.now();
    const currency = request.currency ?? this.#options.rules().programme?.currency ?? fallback;
    const view = this.#put({
      saleId: request.saleId ?? uuidV7(now, random),
      openedNo: 1 + Math.max(0, ...[...this.#open.values()].map((sale) => sale.openedNo)),
      openedAt: now,
      currency,
      basket: emptyBasket(currency),
      customer: this.#recent.waiting ?? null,
    });
    this.#recent.stopWaiting();
    return view;
  }

  /**
   * Puts the whole basket in place of what the sale had.
   * @throws StammkundeError SALE_NOT_FOUND · SALE_CLOSED · SALE_TOTAL · PAN_REJECTED · API_TOO_LARGE · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  putBasket(saleId: string, basket: Basket): SaleView {
    const sale = this.#openSale(saleId);
    checkBasket(basket, sale.currency);
    return sameBasket(sale.basket, basket) ? this.#view(sale) : this.#put({ ...sale, basket });
  }

  /**
   * Attaches an identification of the last half hour, in place of any before.
   * @throws StammkundeError SALE_NOT_FOUND · SALE_CLOSED · API_NOT_FOUND (no such identification) · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  attach(saleId: string, identificationId: string): SaleView {
    const sale = this.#openSale(saleId);
    if (sale.customer?.identificationId === identificationId) return this.#view(sale);
    const identified = this.#recent.byId(identificationId);
    if (identified === undefined)
      throw new StammkundeError(
        'API_NOT_FOUND',
        `there is no identification ${identificationId}, or no more`,
      );
    // Points are somebody's: with another customer the sale is paid with none.
    const view = this.#put({ ...sale, customer: identified, redemption: null });
    if (this.#recent.waiting === identified) this.#recent.stopWaiting();
    return view;
  }

  /** Detaches the customer. @throws StammkundeError SALE_NOT_FOUND · SALE_CLOSED · DATA_DISK_FULL · DATA_UNWRITABLE */
  detach(saleId: string): SaleView {
    const sale = this.#openSale(saleId);
    return sale.customer === null
      ? this.#view(sale)
      : this.#put({ ...sale, customer: null, redemption: null });
  }

  /**
   * A customer was identified: attached to the sale opened last, in place of any before; with none open they wait for
   * the next one, for a bounded time.
   * @returns the sale they were attached to
   * @throws StammkundeError DATA_DISK_FULL · DATA_UNWRITABLE; the identification can still be attached by its id
   */
  present(identified: Identified): SaleView | undefined {
    this.#recent.remember(identified);
    const sale = this.#latest();
    if (sale !== undefined) {
      const isSame = sale.customer?.index === identified.index;
      const redemption = isSame ? (sale.redemption ?? null) : null;
      return this.#put({ ...sale, customer: identified, redemption });
    }
    this.#recent.wait(identified);
    return undefined;
  }

  /**
   * An identification is trusted more, or less, than when it was presented, wherever it is attached.
   * @throws StammkundeError DATA_DISK_FULL · DATA_UNWRITABLE
   */
  retrust(identificationId: string, trust: TrustLevel): void {
    this.#recent.change(identificationId, { trust });
    for (const sale of this.#open.values()) {
      if (sale.customer?.identificationId !== identificationId || sale.customer.trust === trust) continue;
      this.#put({ ...sale, customer: { ...sale.customer, trust } });
    }
  }

  /**
   * The server has answered whose card it is: so it is wherever the identification is attached. A sale that is closed,
   * or that has another customer by now, stays as it is. One whose card is blocked or expired is paid with no points.
   * @throws StammkundeError DATA_DISK_FULL · DATA_UNWRITABLE
   */
  settle(identificationId: string, settled: Pick<Identified, 'as' | 'index'>): void {
    this.#recent.change(identificationId, settled);
    for (const sale of this.#open.values()) {
      if (sale.customer?.identificationId !== identificationId) continue;
      this.#put({ ...sale, customer: { ...sale.customer, ...settled } });
    }
  }

  /** Whether an identification is attached to an open sale, or waits for the next. */
  stands(identificationId: string): boolean {
    return (
      this.#recent.waiting?.identificationId === identificationId ||
      [...this.#open.values()].some((sale) => sale.customer?.identificationId === identificationId)
    );
  }

  /** Who waits for a sale to be opened, for who comes late to hear of them. */
  waiting(): WaitingView | null {
    const identified = this.#recent.waiting;
    if (identified === undefined) return null;
    const rules = this.#options.rules();
    const currency = rules.programme?.currency ?? null;
    const basket = emptyBasket(currency ?? this.#options.currency);
    return {
      ...customerView(identified, rules.programme),
      offers: [...evaluate({ basket, customer: identified }, rules, this.#options.clock.now()).offers],
      currency,
      waitedMs: this.#recent.waitedMs,
    };
  }

  /**
   * Who is at the till: the customer of the sale opened last, if it has one; with no sale open whoever waits for the
   * next one.
   */
  customerNow(): { readonly inSale: boolean; readonly customer: Identified | undefined } {
    const sale = this.#latest();
    return sale === undefined
      ? { inSale: false, customer: this.#recent.waiting }
      : { inSale: true, customer: sale.customer ?? undefined };
  }

  /** Notes an identification that takes nobody's place; it can be attached by its id. */
  note(identified: Identified): void {
    this.#recent.remember(identified);
  }

  /** An identification of the last half hour. */
  identified(identificationId: string): Identified | undefined {
    return this.#recent.byId(identificationId);
  }

  /**
   * Completes the sale; its entry is on the disk when this returns. Repeated, it answers the same from the journal.
   * @throws StammkundeError SALE_NOT_FOUND · SALE_CLOSED (voided) · REDEEM_OFFLINE · REDEEM_CONFLICT · BURN_TOO_MUCH · JRN_FULL · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  complete(saleId: string, { shift }: { readonly shift?: string | undefined } = {}): SaleView {
    const sale = this.#open.get(saleId);
    if (sale === undefined) {
      const closed = this.#closed(saleId);
      if (closed.status === 'completed') return closed;
      throw new StammkundeError('SALE_CLOSED', `sale ${saleId} was voided`);
    }
    const now = this.#options.clock.now();
    const redeemed = this.#redeemedBy(sale);
    const evaluation = evaluate(sale, this.#options.rules(), now);
    const transaction: SaleTransaction = {
      kind: 'sale.completed',
      saleId,
      storeId: this.#options.storeId,
      at: now,
      basket: sale.basket,
      customer: saleCustomer(sale.customer),
      earned: evaluation.earned,
      ...(redeemed === undefined ? {} : { redeemed }),
      ...(shift === undefined ? {} : { shift }),
    };
    return this.#close(transaction, (entry) => {
      this.#noteUse(sale, redeemed, entry);
      const view = closedView(
        openView(sale, evaluation, this.#options.rules().programme),
        'completed',
        entry,
      );
      const receiptCode = sale.customer === null ? this.#receiptCode(saleId, now) : undefined;
      return receiptCode === undefined ? view : { ...view, receiptCode };
    });
  }

  /**
   * Voids an open sale, or reverses a completed one. Repeated, it answers the same from the journal.
   * @throws StammkundeError SALE_NOT_FOUND · JRN_FULL · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  void(saleId: string): SaleView {
    const sale = this.#open.get(saleId);
    const before = sale === undefined ? this.#closed(saleId) : this.#view(sale);
    if (before.status === 'voided') return before;
    const transaction: SaleTransaction = {
      kind: 'sale.voided',
      saleId,
      storeId: this.#options.storeId,
      at: this.#options.clock.now(),
      completed: before.entry?.id ?? null,
    };
    // Before its entry: of an open sale nothing was posted, and nothing is taken back.
    const { store } = this.#options;
    const reversed =
      sale === undefined ? reversedByVoid(store.completed(saleId), store.returnsOf(saleId)) : {};
    return this.#close(transaction, (entry) => ({ ...closedView(before, 'voided', entry), ...reversed }));
  }

  /** @throws StammkundeError SALE_NOT_FOUND */
  view(saleId: string): SaleView {
    const sale = this.#open.get(saleId);
    return sale === undefined ? this.#closed(saleId) : this.#view(sale);
  }

  /** The open sales in the order they were opened. */
  openViews(): readonly SaleView[] {
    return [...this.#open.values()].sort((a, b) => a.openedNo - b.openedNo).map((sale) => this.#view(sale));
  }

  /** The sale opened last, if one is open. */
  current(): SaleView | undefined {
    const sale = this.#latest();
    return sale === undefined ? undefined : this.#view(sale);
  }

  /** An open sale as it stands. @throws StammkundeError SALE_NOT_FOUND · SALE_CLOSED */
  openSale(saleId: string): OpenSale {
    return this.#openSale(saleId);
  }

  /** Puts what an open sale is paid with. @throws StammkundeError SALE_NOT_FOUND · SALE_CLOSED · DATA_DISK_FULL · DATA_UNWRITABLE */
  putRedemption(saleId: string, redemption: SaleRedemption | null): SaleView {
    return this.#put({ ...this.#openSale(saleId), redemption });
  }

  /**
   * Takes the redemption from an open sale for which nothing was kept: nobody is told that it was let go.
   * @throws StammkundeError SALE_NOT_FOUND · SALE_CLOSED · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  dropRedemption(saleId: string): SaleView {
    return this.#tell(this.#save({ ...this.#openSale(saleId), redemption: null }));
  }

  /** The sale a redemption pays for, open or completed, at this till and while its entry is kept. */
  saleOfRedemption(redemptionId: string): string | undefined {
    const open = [...this.#open.values()].find((sale) => sale.redemption?.redemptionId === redemptionId);
    return open?.saleId ?? this.#options.store.paidWith(redemptionId);
  }

  /** Points that open sales, but for one, are to take by the till's allowance: of one customer, and of all. */
  allowedPoints(customerId: string, except: string): { readonly ofCustomer: number; readonly ofAll: number } {
    let [ofCustomer, ofAll] = [0, 0];
    for (const { saleId, redemption, customer } of this.#open.values()) {
      if (saleId === except || redemption?.state !== 'allowed') continue;
      ofAll += redemption.points;
      if (customer?.as.verdict === 'known' && customer.as.customer.id === customerId) {
        ofCustomer += redemption.points;
      }
    }
    return { ofCustomer, ofAll };
  }

  /**
   * What the entry says of points that pay.
   * @throws StammkundeError REDEEM_OFFLINE · REDEEM_CONFLICT · BURN_… (the basket changed since)
   */
  #redeemedBy({ saleId, basket, redemption }: OpenSale): RedeemedPoints | undefined {
    if (redemption === null || redemption === undefined) return undefined;
    const { redemptionId, points, minor, state, allowanceVersion } = redemption;
    if (state === 'asking')
      throw new StammkundeError('REDEEM_OFFLINE', `nobody has granted the points of sale ${saleId} yet`);
    if (this.#options.store.paidWith(redemptionId) !== undefined)
      throw new StammkundeError('REDEEM_CONFLICT', `redemption ${redemptionId} paid for another sale`);
    const burn = this.#options.rules().programme?.burn;
    const verdict = judgeBurn(burn, basket, points, undefined);
    if (verdict.kind === 'refused' || burn === undefined)
      throw new StammkundeError(
        verdict.kind === 'refused' ? verdict.code : 'BURN_OFF',
        `${points} points do not fit sale ${saleId} any more`,
      );
    const parts = redeemedParts(burn, basket, points);
    const authorised = state === 'reserved' ? 'reservation' : 'allowance';
    return { redemptionId, points, minor, parts, authorised, allowanceVersion };
  }

  /** What a receipt is claimed with; undefined where the programme credits nothing afterwards. */
  #receiptCode(saleId: string, at: number): string | undefined {
    const { receiptCode, rules } = this.#options;
    return rules().programme?.lateCredit === undefined ? undefined : receiptCode?.({ saleId, at });
  }

  /** In the step that writes the entry: what was given away without the server is never forgotten. */
  #noteUse({ customer }: OpenSale, redeemed: RedeemedPoints | undefined, { seq }: JournalEntry): void {
    if (redeemed?.authorised !== 'allowance' || customer?.as.verdict !== 'known') return;
    const { redemptionId, points, allowanceVersion } = redeemed;
    const customerId = customer.as.customer.id;
    this.#options.allowances?.note({ redemptionId, customerId, points, version: allowanceVersion ?? 0 }, seq);
  }

  #latest(): OpenSale | undefined {
    return [...this.#open.values()].reduce<OpenSale | undefined>(
      (latest, sale) => (latest === undefined || sale.openedNo > latest.openedNo ? sale : latest),
      undefined,
    );
  }

  #openSale(saleId: string): OpenSale {
    const sale = this.#open.get(saleId);
    if (sale !== undefined) return sale;
    const { status } = this.#closed(saleId);
    throw new StammkundeError('SALE_CLOSED', `sale ${saleId} is ${status}`);
  }

  #closed(saleId: string): SaleView {
    const closed = this.#options.store.closed(saleId);
    if (closed === undefined) throw new StammkundeError('SALE_NOT_FOUND', `there is no sale ${saleId}`);
    return closed;
  }

  #view(sale: OpenSale): SaleView {
    const rules = this.#options.rules();
    return openView(sale, evaluate(sale, rules, this.#options.clock.now()), rules.programme);
  }

  #put(sale: OpenSale): SaleView {
    const before = this.#open.get(sale.saleId)?.redemption?.redemptionId;
    const redemption = redemptionOf(sale.customer, sale.redemption);
    const view = this.#save({ ...sale, redemption });
    if (before !== undefined && before !== redemption?.redemptionId) this.#tellOf(this.#letGo, before);
    return this.#tell(view);
  }

  #save(sale: OpenSale): SaleView {
    const customer = sale.customer === null ? null : storedCustomer(sale.customer);
    this.#options.store.save({ ...sale, customer });
    this.#open.set(sale.saleId, sale);
    return this.#view(sale);
  }

  #close(transaction: SaleTransaction, view: (entry: JournalEntry) => SaleView): SaleView {
    const closed = this.#options.store.close(transaction, view);
    const redemptionId = this.#open.get(transaction.saleId)?.redemption?.redemptionId;
    this.#open.delete(transaction.saleId);
    if (transaction.kind === 'sale.voided' && redemptionId !== undefined) {
      this.#tellOf(this.#letGo, redemptionId);
    }
    return this.#tell(closed);
  }

  #tell(sale: SaleView): SaleView {
    this.#tellOf(this.#listeners, sale);
    return sale;
  }

  /** What is told has happened; no listener's mistake undoes it. */
  #tellOf<T>(listeners: ReadonlySet<(news: T) => void>, news: T): void {
    for (const listener of listeners) {
      try {
        listener(news);
      } catch (error) {
        this.#options.log.error({ event: 'sale.listener-failed', error: asError(error) });
      }
    }
  }
}
