import type { Clock } from '../foundation/clock.ts';
import { errorCodes } from '../foundation/error-codes.ts';
import type { ErrorCode } from '../foundation/error-codes.ts';
import { StammkundeError, asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Random } from '../foundation/random.ts';
import { uuidV7 } from '../foundation/random.ts';
import type { Bus, Subscription } from './bus.ts';
import type { TillId } from './contract/ids.ts';
import { waitedFor } from './contract/messages.ts';
import type { Answer, Question, QuestionKind, Request, Response } from './contract/messages.ts';
import type { Topics } from './contract/topics.ts';
import { encode } from './contract/wire.ts';
import type { StatementReader } from './statement-reader.ts';

export interface RequestLimits {
  /** Requests sent and not answered at one time; as many again of those a customer waits for. */
  readonly inFlightMax: number;
  /** Callers waiting for their turn beyond those. */
  readonly waitingMax: number;
  /** From asking to the answer, waiting for a turn included. */
  readonly deadlineMs: number;
}

const defaultRequestLimits: RequestLimits = { inFlightMax: 4, waitingMax: 64, deadlineMs: 20_000 };

interface Pending {
  readonly request: Request;
  resolve(answer: Answer): void;
  reject(error: StammkundeError): void;
}

/**
 * Asks the server and waits for its signed answer, which names the same request. Nothing is asked twice here: whoever
 * asked knows best whether, and when, to ask again.
 */
export class RequestClient implements Closable {
  readonly subscriptions: readonly Subscription[];
  readonly #till: TillId;
  readonly #topics: Topics;
  readonly #reader: StatementReader;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: RequestLimits;
  readonly #onServerTime: (at: number) => void;
  readonly #inFlight = new Map<string, Pending>();
  readonly #waiting = new Set<Pending>();
  #bus: Bus | undefined;
  #stopListening: () => void = () => {};

  constructor(options: {
    readonly till: TillId;
    readonly topics: Topics;
    readonly reader: StatementReader;
    readonly clock: Clock;
    readonly random: Random;
    readonly limits?: RequestLimits;
    /** Called with the server's time, ms since the epoch, out of each answer to a question just asked. Only takes note. */
    readonly onServerTime?: (at: number) => void;
  }) {
    this.#till = options.till;
    this.#topics = options.topics;
    this.#reader = options.reader;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#limits = options.limits ?? defaultRequestLimits;
    this.#onServerTime = options.onServerTime ?? (() => {});
    this.subscriptions = [
      {
        filter: options.topics.response(options.till),
        onMessage: (_topic, payload) => this.#onResponse(payload),
      },
    ];
  }

  /** From now on requests travel over `bus`, which was opened with {@link subscriptions}. */
  start(bus: Bus): void {
    this.#bus = bus;
    this.#stopListening = bus.onConnection((connected) => {
      // An answer on its way through a broken connection is lost: sessions are clean.
      if (!connected) this.#failAll('the connection broke');
    });
  }

  /**
   * @param signal gives the question up: an answer that still comes is no longer waited for
   * @throws StammkundeError BUS_UNREACHABLE without a connection or when it breaks · BUS_TIMEOUT after the deadline,
   *   when too many are waiting, or given up · the code the server refuses with, or REQ_REFUSED when that is not known here
   */
  async ask<K extends QuestionKind>(body: Question<K>, signal?: AbortSignal): Promise<Answer<K>> {
    if (this.#bus?.connected !== true) {
      throw new StammkundeError('BUS_UNREACHABLE', `${body.kind} cannot be asked without a connection`);
    }
    if (this.#waiting.size >= this.#limits.waitingMax) {
      throw new StammkundeError('BUS_TIMEOUT', `${body.kind} would wait behind too many requests`);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const requestId = uuidV7(this.#clock.now(), this.#random);
    const pending: Pending = { request: { till: this.#till, requestId, body }, resolve, reject };
    const cancel = this.#clock.schedule(this.#limits.deadlineMs, () => {
      reject(
        new StammkundeError('BUS_TIMEOUT', `${body.kind} was not answered in ${this.#limits.deadlineMs} ms`),
      );
    });
    const giveUp = (): void => reject(new StammkundeError('BUS_TIMEOUT', `${body.kind} was given up`));
    signal?.addEventListener('abort', giveUp, { once: true });
    if (signal?.aborted === true) giveUp();
    else this.#waiting.add(pending);
    this.#sendWaiting();
    try {
      const answer = await promise;
      if (!answers(answer, body.kind)) {
        throw new StammkundeError('WIRE_MALFORMED', `${body.kind} was answered with ${answer.kind}`);
      }
      return answer;
    } finally {
      cancel();
      signal?.removeEventListener('abort', giveUp);
      this.#waiting.delete(pending);
      this.#inFlight.delete(requestId);
      this.#sendWaiting();
    }
  }

  close(): Promise<void> {
    this.#stopListening();
    this.#bus = undefined;
    this.#failAll('the till is closing');
    return Promise.resolve();
  }

  #sendWaiting(): void {
    for (const pending of this.#waiting) {
      if (this.#bus === undefined) return;
      if (this.#hasNoRoomFor(pending)) continue;
      this.#waiting.delete(pending);
      this.#inFlight.set(pending.request.requestId, pending);
      this.#bus.publish(this.#topics.request(this.#till), encode(pending.request), { qos: 1 }).then(
        (outcome) => {
          if (outcome === 'offline')
            pending.reject(new StammkundeError('BUS_UNREACHABLE', 'a request could not be sent'));
        },
        // Only our own mistakes are thrown there; the caller must hear of them.
        (error: unknown) =>
          pending.reject(
            new StammkundeError('BUS_UNREACHABLE', 'a request could not be sent', { cause: asError(error) }),
          ),
      );
    }
  }

  /** What loads a replica takes no place from what a customer waits for, nor the other way round. */
  #hasNoRoomFor({ request }: Pending): boolean {
    const isWaitedFor = waitedFor.has(request.body.kind);
    let alike = 0;
    for (const each of this.#inFlight.values()) {
      if (waitedFor.has(each.request.body.kind) === isWaitedFor) alike += 1;
    }
    return alike >= this.#limits.inFlightMax;
  }

  #onResponse(payload: Uint8Array): void {
    const response = this.#reader.read('response', payload)?.body;
    if (response === undefined) return;
    // Not ours, answered already, or too late: the caller has been told.
    const pending = this.#inFlight.get(response.requestId);
    if (pending === undefined) return;
    if (response.serverTime !== undefined) this.#onServerTime(response.serverTime);
    if (response.ok) pending.resolve(response.answer);
    else pending.reject(refusal(response));
  }

  #failAll(reason: string): void {
    for (const pending of [...this.#inFlight.values(), ...this.#waiting]) {
      pending.reject(new StammkundeError('BUS_UNREACHABLE', reason));
    }
  }
}

function answers<K extends QuestionKind>(answer: Answer, kind: K): answer is Answer<K> {
  return answer.kind === kind;
}

function refusal(response: Extract<Response, { ok: false }>): StammkundeError {
  return isErrorCode(response.code)
    ? new StammkundeError(response.code, response.message)
    : new StammkundeError('REQ_REFUSED', `${response.code}: ${response.message}`);
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}
