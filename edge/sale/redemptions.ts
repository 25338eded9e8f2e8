// Paying with points:
//
//   redeem ─▶ on the disk: asking ─▶ points.reserve ──150 ms──▶ reserved
//                                        │    └─ refused ──▶ the sale has none, and the POS is told why
//                                        └─ no answer ─▶ within the allowance? ──▶ allowed, or refused with its code
//
// An id that is asking, reserved or allowed can be let go at any time, and is then over for good.
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
import type { Identified } from './identified.ts';
import type { RuleBook } from './rule-book.ts';
import type { OpenSale } from './sale-view.ts';
import type { SaleRedemption } from './redemption.ts';
import type { Sales } from './sales.ts';
import { saleCustomer } from './settlement.ts';

/** How often a till that has the server looks whether its allowance should be renewed. */
const RENEW_LOOK_MS = 60_000;
/** Ids that were let go and are remembered; the server knows the older ones as well. */
const LET_GO_MAX = 1_000;

/** What the server is asked. @throws StammkundeError when no answer comes, or `signal` is aborted */
export interface PointsDesk {
  reserve(question: PointsReserveRequest, signal: AbortSignal): Promise<PointsReserveAnswer>;
  release(redemptionId: string): Promise<unknown>;
  allowance(): Promise<Allowance | null>;
}

export interface RedemptionsPorts {
  readonly sales: Pick<
    Sales,
    | 'openSale'
    | 'putRedemption'
    | 'dropRedemption'
    | 'view'
    | 'saleOfRedemption'
    | 'allowedPoints'
    | 'onLetGo'
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
  /** Each call that is not answered yet, by the id of its redemption. */
  readonly #underWay = new Map<string, Promise<SaleView>>();
  readonly #letGo = new Set<string>();
  readonly #unhear: () => void;
  #cancel: () => void = () => {};
  #closed = false;

  constructor(ports: RedemptionsPorts) {
    this.#ports = ports;
    this.#unhear = ports.sales.onLetGo((redemptionId) => this.#end(redemptionId));
    this.#look();
  }

  /**
   * Pays with points, once for an id however often it is called; a call that is repeated while the first is under way is
   * answered with it. Another redemption of the sale is let go, and an id that was let go is not used again.
   * @throws StammkundeError SALE_NOT_FOUND · SALE_CLOSED · BURN_OFF · BURN_TOO_FEW · BURN_STEP · BURN_TOO_MUCH ·
   *   BURN_BALANCE · REDEEM_TRUST · REDEEM_OFFLINE · REDEEM_LIMIT_CUSTOMER · REDEEM_LIMIT_TILL · DATA_DISK_FULL ·
   *   DATA_UNWRITABLE; the sale is paid with no points then · REDEEM_CONFLICT (the id is of other points, of another
   *   sale, or was let go); the sale says what it is paid with
   */
  async redeem(
    saleId: string,
    wish: { readonly redemptionId?: string | undefined; readonly points: number },
  ): Promise<SaleView> {
    const { sales, clock, random } = this.#ports;
    const before = sales.openSale(saleId).redemption ?? undefined;
    const redemptionId = wish.redemptionId ?? before?.redemptionId ?? uuidV7(clock.now(), random);
    const conflict = (why: string): StammkundeError =>
      new StammkundeError('REDEEM_CONFLICT', `redemption ${redemptionId} ${why}`);
    const holder = sales.saleOfRedemption(redemptionId);
    if (holder !== undefined && holder !== saleId) throw conflict(`is sale ${holder}’s`);
    if (this.#letGo.has(redemptionId)) throw conflict('was let go');
    if (before?.redemptionId === redemptionId) {
      if (before.points !== wish.points) throw conflict(`is of ${before.points} points`);
      const underWay = this.#underWay.get(redemptionId);
      if (underWay !== undefined) return underWay;
      if (before.state !== 'asking') return sales.view(saleId);
    }
    const deciding = this.#decide(saleId, redemptionId, wish.points).finally(
      () => void this.#underWay.delete(redemptionId),
    );
    this.#underWay.set(redemptionId, deciding);
    return deciding;
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

  async #decide(saleId: string, redemptionId: string, wished: number): Promise<SaleView> {
    const { sales, rules } = this.#ports;
    const sale = sales.openSale(saleId);
    const wasAsking = sale.redemption?.redemptionId === redemptionId;
    if (!wasAsking) this.cancel(saleId);
    const verdict = judgeBurn(rules().programme?.burn, sale.basket, wished, undefined);
    if (verdict.kind === 'refused') {
      this.cancel(saleId);
      throw new StammkundeError(verdict.code, `${wished} points cannot pay for sale ${saleId}`);
    }
    const { customer } = sale;
    if (customer === null || saleCustomer(customer) === null)
      throw new StammkundeError('REDEEM_TRUST', `sale ${saleId} has nobody who could pay with points`);
    // On the disk before it is asked: after a power cut the same id is asked for again.
    const { points, minor } = verdict;
    const asking: SaleRedemption = { redemptionId, points, minor, state: 'asking', allowanceVersion: null };
    sales.putRedemption(saleId, asking);
    const answer = await this.#ask(saleId, customer, asking);
    // From here to what is written nothing waits: what one sale is granted, the next one's limits count.
    const mayBeKept = wasAsking || answer.mayBeKept;
    const now = sales.view(saleId).status === 'open' ? sales.openSale(saleId) : undefined;
    if (now?.redemption?.redemptionId !== redemptionId || now.redemption.state !== 'asking') {
      // It was let go while the question was on its way; the server may have kept the points after it heard so.
      if (mayBeKept) this.#release(redemptionId);
      throw new StammkundeError('REDEEM_CONFLICT', `sale ${saleId} changed meanwhile`);
    }
    const outcome = answer.kind === 'none' ? this.#byAllowance(now, points) : answer;
    if (outcome.kind === 'granted') return sales.putRedemption(saleId, { ...asking, ...outcome.as });
    if (mayBeKept) sales.putRedemption(saleId, null);
    else sales.dropRedemption(saleId);
    throw new StammkundeError(outcome.code, `${points} points were not granted to sale ${saleId}`);
  }

  /** What the server says, if it can be asked and answers in time. */
  async #ask(
    saleId: string,
    { index, kind: identifier, trust, as }: Identified,
    { redemptionId, points }: SaleRedemption,
  ): Promise<Answer> {
    const { desk, isOnline, clock } = this.#ports;
    if (!isOnline() || as.verdict !== 'known') return { kind: 'none', mayBeKept: false };
    const giveUp = new AbortController();
    const cancel = clock.schedule(RESERVE_DEADLINE_MS, () => giveUp.abort());
    try {
      const question = { redemptionId, saleId, index, identifier, trust, points };
      const { outcome } = await desk.reserve({ kind: 'points.reserve', ...question }, giveUp.signal);
      if (outcome.verdict === 'reserved')
        return { kind: 'granted', as: { state: 'reserved', allowanceVersion: null }, mayBeKept: true };
      const code = codeOf(outcome.code);
      // A conflict is one with something that was kept under the id.
      return { kind: 'refused', code, mayBeKept: code === 'REDEEM_CONFLICT' };
    } catch (error) {
      if (!isFault(error)) throw error;
      return { kind: 'none', mayBeKept: true };
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

  /** Its id is not used again: the server may have kept points for it, and gives them back as soon as it hears. */
  #end(redemptionId: string): void {
    const [oldest] = this.#letGo;
    if (this.#letGo.size >= LET_GO_MAX && oldest !== undefined) this.#letGo.delete(oldest);
    this.#letGo.add(redemptionId);
    this.#release(redemptionId);
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

/** What the server said, and whether it may have kept points. */
type Answer = (Granted | Refused | { readonly kind: 'none' }) & { readonly mayBeKept: boolean };

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
