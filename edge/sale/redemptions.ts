// Paying with points:
//
//   redeem ─▶ on the disk: asking ─▶ points.reserve ──150 ms──▶ reserved
//                                        │    └─ refused ──▶ the sale has none, and the POS is told why
//                                        └─ no answer ─▶ within the allowance? ──▶ allowed, or refused with its code
import { StammkundeError, asError, isFault } from '../../foundation/errors.ts';
import { errorCodes } from '../../foundation/error-codes.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import { judgeBurn } from '../../sync/contract/programme/burn.ts';
import { RESERVE_DEADLINE_MS } from '../../sync/contract/redemption.ts';
import type { Allowance, PointsReserveAnswer, PointsReserveRequest } from '../../sync/contract/redemption.ts';
import { mayDo } from '../../sync/contract/trust-policy.ts';
import type { SaleView } from '../api/events.ts';
import type { ClockQuality } from '../app-code/trusted-time.ts';
import type { AllowanceStore } from '../journal/allowance-store.ts';
import type { RuleBook } from './rule-book.ts';
import type { OpenSale } from './sale-view.ts';
import type { SaleRedemption } from './redemption.ts';
import type { Sales } from './sales.ts';

/** How often a till that has the server looks whether its allowance should be renewed. */
const RENEW_LOOK_MS = 60_000;

/** What the server is asked. @throws StammkundeError when no answer comes, or `signal` is aborted */
export interface PointsDesk {
  reserve(question: PointsReserveRequest, signal: AbortSignal): Promise<PointsReserveAnswer>;
  release(redemptionId: string): Promise<unknown>;
  allowance(): Promise<Allowance | null>;
}

export interface RedemptionsPorts {
  readonly sales: Pick<
    Sales,
    'openSale' | 'putRedemption' | 'view' | 'saleOfRedemption' | 'allowedPoints' | 'onLetGo'
  >;
  readonly allowances: Pick<AllowanceStore, 'current' | 'replace' | 'used'>;
  readonly desk: PointsDesk;
  readonly rules: () => RuleBook;
  readonly isOnline: () => boolean;
  /** Whether the wall clock can be relied on: by one that was set back an allowance would live for ever. */
  readonly clockQuality: () => ClockQuality;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Lets open sales be paid with points. */
export class Redemptions implements Closable {
  readonly #ports: RedemptionsPorts;
  readonly #background = new Set<Promise<void>>();
  readonly #unhear: () => void;
  #cancel: () => void = () => {};
  #closed = false;

  constructor(ports: RedemptionsPorts) {
    this.#ports = ports;
    this.#unhear = ports.sales.onLetGo((redemptionId) => this.#release(redemptionId));
    this.#look();
  }

  /**
   * Pays with points, once for an id however often it is called. Another redemption of the sale is let go.
   * @throws StammkundeError SALE_NOT_FOUND · SALE_CLOSED · BURN_OFF · BURN_TOO_FEW · BURN_STEP · BURN_TOO_MUCH ·
   *   BURN_BALANCE · REDEEM_TRUST · REDEEM_CONFLICT · REDEEM_OFFLINE · REDEEM_LIMIT_CUSTOMER · REDEEM_LIMIT_TILL ·
   *   DATA_DISK_FULL · DATA_UNWRITABLE; the sale is paid with no points then
   */
  async redeem(
    saleId: string,
    wish: { readonly redemptionId?: string | undefined; readonly points: number },
  ): Promise<SaleView> {
    const { sales, clock, random, rules } = this.#ports;
    const sale = sales.openSale(saleId);
    const before = sale.redemption ?? undefined;
    const redemptionId = wish.redemptionId ?? before?.redemptionId ?? uuidV7(clock.now(), random);
    const holder = sales.saleOfRedemption(redemptionId);
    if (holder !== undefined && holder !== saleId)
      throw new StammkundeError('REDEEM_CONFLICT', `redemption ${redemptionId} is sale ${holder}’s`);
    if (before?.redemptionId === redemptionId && before.points !== wish.points)
      throw new StammkundeError(
        'REDEEM_CONFLICT',
        `redemption ${redemptionId} is of ${before.points} points`,
      );
    if (before?.redemptionId === redemptionId && before.state !== 'asking') return sales.view(saleId);
    if (before !== undefined && before.redemptionId !== redemptionId) this.cancel(saleId);
    const verdict = judgeBurn(rules().programme?.burn, sale.basket, wish.points, undefined);
    if (verdict.kind === 'refused')
      throw new StammkundeError(verdict.code, `${wish.points} points cannot pay for sale ${saleId}`);
    // On the disk before it is asked: after a power cut the same id is asked for again.
    const { points, minor } = verdict;
    const asking: SaleRedemption = { redemptionId, points, minor, state: 'asking', allowanceVersion: null };
    sales.putRedemption(saleId, asking);
    const answer = await this.#ask(sale, asking);
    // From here to what is written nothing waits: what one sale is granted, the next one's limits count.
    const now = sales.view(saleId).status === 'open' ? sales.openSale(saleId) : undefined;
    if (now?.redemption?.redemptionId !== redemptionId) {
      // It was let go while the question was on its way; the server may have kept the points after it heard so.
      this.#release(redemptionId);
      throw new StammkundeError('REDEEM_CONFLICT', `sale ${saleId} changed meanwhile`);
    }
    const outcome = answer.kind === 'none' ? this.#byAllowance(now, points) : answer;
    if (outcome.kind === 'granted') return sales.putRedemption(saleId, { ...asking, ...outcome.as });
    // Let go as well: it may have been kept although the answer did not come.
    sales.putRedemption(saleId, null);
    throw new StammkundeError(outcome.code, `${points} points were not granted to sale ${saleId}`);
  }

  /** Pays with no points after all. @throws StammkundeError SALE_NOT_FOUND · SALE_CLOSED · DATA_UNWRITABLE */
  cancel(saleId: string): SaleView {
    const { sales } = this.#ports;
    const { redemption } = sales.openSale(saleId);
    if (redemption === null || redemption === undefined) return sales.view(saleId);
    return sales.putRedemption(saleId, null);
  }

  /** Gets a new allowance when there is none, or half its time is over. Never rejects. */
  async renew(): Promise<void> {
    const { allowances, desk, isOnline, clock, rules, log } = this.#ports;
    const offline = rules().programme?.redemption?.offline;
    try {
      const current = allowances.current();
      if (!isOnline() || (offline === undefined && current === undefined)) return;
      const isFresh =
        current !== undefined &&
        offline !== undefined &&
        current.validUntil - clock.now() > offline.validForMs / 2 &&
        current.perTill === offline.perTill &&
        current.perCustomer === offline.perCustomer;
      if (!isFresh) allowances.replace(await desk.allowance());
    } catch (error) {
      log.info({ event: 'allowance.not-renewed', error: asError(error) });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unhear();
    this.#cancel();
    await Promise.all(this.#background);
  }

  /** What the server says, if it can be asked and answers in time. */
  async #ask(
    { saleId, customer }: OpenSale,
    { redemptionId, points }: SaleRedemption,
  ): Promise<Granted | Refused | { readonly kind: 'none' }> {
    const { desk, isOnline, clock } = this.#ports;
    if (customer === null) return { kind: 'refused', code: 'REDEEM_TRUST' };
    const { index, kind: identifier, trust, as } = customer;
    if (!isOnline() || as.verdict !== 'known') return { kind: 'none' };
    const giveUp = new AbortController();
    const cancel = clock.schedule(RESERVE_DEADLINE_MS, () => giveUp.abort());
    try {
      const question = { redemptionId, saleId, index, identifier, trust, points };
      const { outcome } = await desk.reserve({ kind: 'points.reserve', ...question }, giveUp.signal);
      return outcome.verdict === 'reserved'
        ? { kind: 'granted', as: { state: 'reserved', allowanceVersion: null } }
        : { kind: 'refused', code: codeOf(outcome.code) };
    } catch (error) {
      if (!isFault(error)) throw error;
      return { kind: 'none' };
    } finally {
      cancel();
    }
  }

  #byAllowance({ saleId, customer, basket }: OpenSale, points: number): Granted | Refused {
    const { allowances, sales, clock, clockQuality, rules } = this.#ports;
    if (customer === null || customer.as.verdict !== 'known')
      return { kind: 'refused', code: 'REDEEM_TRUST' };
    const { kind, trust } = customer;
    const { id, points: balance } = customer.as.customer;
    const may = mayDo({ kind, trust, reach: 'offline', verdict: rules().stale ? 'unproven' : 'known' });
    if (!may.includes('redeem-limited')) return { kind: 'refused', code: 'REDEEM_TRUST' };
    const allowance = allowances.current();
    const isValid = allowance !== undefined && allowance.validUntil > clock.now();
    if (!isValid || clockQuality() === 'bad') {
      return { kind: 'refused', code: 'REDEEM_OFFLINE' };
    }
    const { version, perCustomer, perTill, byTrust } = allowance;
    const used = allowances.used(id, version);
    const open = sales.allowedPoints(id, saleId);
    const ofCustomer = used.ofCustomer + open.ofCustomer;
    if (ofCustomer + points > Math.min(perCustomer, byTrust[trust])) {
      return { kind: 'refused', code: 'REDEEM_LIMIT_CUSTOMER' };
    }
    if (used.ofAll + open.ofAll + points > perTill) return { kind: 'refused', code: 'REDEEM_LIMIT_TILL' };
    // The replica does not know yet what this till has taken.
    const left = Math.max(0, balance - ofCustomer);
    const verdict = judgeBurn(rules().programme?.burn, basket, points, left);
    return verdict.kind === 'refused'
      ? { kind: 'refused', code: verdict.code }
      : { kind: 'granted', as: { state: 'allowed', allowanceVersion: version } };
  }

  /** Tells the server, which else finds out by itself when the time of the reservation is over. */
  #release(redemptionId: string): void {
    const { sales, desk, isOnline, log } = this.#ports;
    // What a sale was paid with, or is to be, is not let go by another that held the same id.
    if (this.#closed || !isOnline() || sales.saleOfRedemption(redemptionId) !== undefined) return;
    const task = desk
      .release(redemptionId)
      .then(
        () => {},
        (error: unknown) =>
          log.info({ event: 'redemption.not-released', redemptionId, error: asError(error) }),
      )
      .finally(() => void this.#background.delete(task));
    this.#background.add(task);
  }

  #look(): void {
    if (this.#closed) return;
    this.#cancel = this.#ports.clock.schedule(RENEW_LOOK_MS, () => {
      const task = this.renew().finally(() => {
        this.#background.delete(task);
        this.#look();
      });
      this.#background.add(task);
    });
  }
}

interface Granted {
  readonly kind: 'granted';
  readonly as: Pick<SaleRedemption, 'state' | 'allowanceVersion'>;
}
interface Refused {
  readonly kind: 'refused';
  readonly code: ErrorCode;
}

/** A code of a newer server that this program does not know says no more than that it refused. */
function codeOf(code: string): ErrorCode {
  // Checked to be one of the known codes in the same expression.
  return code in errorCodes ? (code as ErrorCode) : 'REDEEM_CONFLICT';
}
