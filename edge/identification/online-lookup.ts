import type { Clock, Instant } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { StammkundeError, asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import { LOOKUP_DEADLINE_MS } from '../../sync/contract/lookup.ts';
import type { LookupAnswer } from '../../sync/contract/lookup.ts';
import type { UrgentNews } from './found-cards.ts';

/** What came of asking the server whose card it is. */
export type LookupOutcome =
  | (Pick<LookupAnswer, 'credential' | 'customer'> & {
      readonly kind: 'answered';
      /** The till's wall clock when the answer came. */
      readonly toldAt: Instant;
    })
  | { readonly kind: 'unanswered'; readonly code: ErrorCode };

/** Questions on their way at once: hands present one card at a time, so the newest is the one somebody waits for. */
const ASKING_MAX = 4;
/** Who may wait for one answer; a card that is waved about is one question. */
const WAITERS_MAX = 8;
/** Urgent messages kept while a question is on its way; with more of them its answer is not believed. */
const URGENT_MAX = 32;

interface Asking {
  readonly outcome: Promise<LookupOutcome>;
  readonly abort: AbortController;
  waiters: number;
}

/**
 * Asks the server for cards that are not on this till. Bounded in time and number, and never a failure: without an
 * answer it says so. What it was told urgently while a question was on its way outweighs the answer, which may be older.
 */
export class OnlineLookup implements Closable {
  readonly #send: (index: BlindIndex, signal: AbortSignal) => Promise<LookupAnswer>;
  readonly #isOnline: () => boolean;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Oldest first. */
  readonly #asking = new Map<BlindIndex, Asking>();
  #heard: UrgentNews[] = [];
  #closed = false;

  constructor(ports: {
    /** @throws StammkundeError when no answer comes, or `signal` is aborted */
    readonly ask: (index: BlindIndex, signal: AbortSignal) => Promise<LookupAnswer>;
    readonly isOnline: () => boolean;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#send = ports.ask;
    this.#isOnline = ports.isOnline;
    this.#clock = ports.clock;
    this.#log = ports.log;
  }

  /** Whether a question has any chance now; without a connection nobody waits for one. */
  get canAsk(): boolean {
    return !this.#closed && this.#isOnline();
  }

  /** Questions on their way. */
  get asking(): number {
    return this.#asking.size;
  }

  /**
   * Asks, or waits along with who asked the same a moment ago. The oldest question gives way when there are too many.
   * @param index the oldest form of the number
   */
  async ask(index: BlindIndex): Promise<LookupOutcome> {
    if (!this.canAsk) return { kind: 'unanswered', code: 'BUS_UNREACHABLE' };
    const asking = this.#asking.get(index) ?? this.#begin(index);
    if (asking.waiters >= WAITERS_MAX) return { kind: 'unanswered', code: 'BUS_TIMEOUT' };
    asking.waiters += 1;
    return asking.outcome;
  }

  /** Something became urgent; it holds against answers that are still on their way. */
  heard(urgent: UrgentNews): void {
    if (this.#asking.size === 0) return;
    this.#heard.push(urgent);
    if (this.#heard.length > URGENT_MAX) for (const { abort } of this.#asking.values()) abort.abort();
  }

  /** Gives up what is on its way. */
  async close(): Promise<void> {
    this.#closed = true;
    const asked = [...this.#asking.values()];
    for (const { abort } of asked) abort.abort();
    await Promise.all(asked.map(({ outcome }) => outcome));
  }

  #begin(index: BlindIndex): Asking {
    if (this.#asking.size >= ASKING_MAX) {
      const [oldest] = this.#asking;
      if (oldest !== undefined) {
        // At once, and not when the promise has settled, so that there are never more than allowed.
        this.#asking.delete(oldest[0]);
        oldest[1].abort.abort();
      }
    }
    const abort = new AbortController();
    const outcome = this.#outcomeOf(index, abort).finally(() => {
      if (this.#asking.get(index)?.abort === abort) this.#asking.delete(index);
      if (this.#asking.size === 0) this.#heard = [];
    });
    const asking: Asking = { outcome, abort, waiters: 0 };
    this.#asking.set(index, asking);
    return asking;
  }

  async #outcomeOf(index: BlindIndex, abort: AbortController): Promise<LookupOutcome> {
    const cancelDeadline = this.#clock.schedule(LOOKUP_DEADLINE_MS, () => abort.abort());
    try {
      const answer = await Promise.race([this.#send(index, abort.signal), whenAborted(abort.signal)]);
      return { kind: 'answered', ...this.#withUrgent(answer), toldAt: this.#clock.now() };
    } catch (error) {
      if (!isFault(error)) this.#log.error({ event: 'lookup.failed', error: asError(error) });
      return { kind: 'unanswered', code: isFault(error) ? error.code : 'BUS_TIMEOUT' };
    } finally {
      cancelDeadline();
    }
  }

  #withUrgent({ credential, customer }: LookupAnswer): Pick<LookupAnswer, 'credential' | 'customer'> {
    const credentials = this.#heard.flatMap((urgent) => urgent.credentials);
    const customers = this.#heard.flatMap((urgent) => urgent.customers);
    const isErased = this.#heard.some(
      ({ erased }) =>
        (credential !== null && erased?.credentials.includes(credential.index) === true) ||
        (customer !== null && erased?.customers.includes(customer.id) === true),
    );
    if (isErased) return { credential: null, customer: null };
    return {
      credential: credentials.findLast(({ index }) => index === credential?.index) ?? credential,
      customer: customers.findLast(({ id }) => id === customer?.id) ?? customer,
    };
  }
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener(
      'abort',
      () =>
        reject(
          new StammkundeError('BUS_TIMEOUT', `a card was not looked up within ${LOOKUP_DEADLINE_MS} ms`),
        ),
      { once: true },
    );
  });
}
