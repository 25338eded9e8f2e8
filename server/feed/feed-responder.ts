import type { Clock } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Bus } from '../../sync/bus.ts';
import type { AppCodeConfirm, CodeAnswer, RotatingCodeVerify } from '../../sync/contract/code-requests.ts';
import type { FeedPageRequest } from '../../sync/contract/feed.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import { Request } from '../../sync/contract/messages.ts';
import type { Response } from '../../sync/contract/messages.ts';
import type { Topics } from '../../sync/contract/topics.ts';
import { decode } from '../../sync/contract/wire.ts';
import type { Database } from '../database/database.ts';
import { asDatabaseFault } from '../database/faults.ts';
import { assertOwnTopic } from '../intake/journal-message.ts';
import type { Statements } from '../statements.ts';
import { readFeedPage } from './feed-store.ts';
import { RateLimit } from './rate-limit.ts';
import type { Rate } from './rate-limit.ts';

/** Requests that may wait; more are dropped, for the tills ask again. */
const QUEUE_MAX = 1_000;
/** A till that loads a million customers asks some ten times a second. */
const TILL_RATE: Rate = { burst: 100, perSecond: 50 };

export interface FeedResponderPorts {
  readonly database: Database;
  readonly topics: Topics;
  readonly statements: Statements;
  readonly bus: Pick<Bus, 'publish'>;
  /** Says whether a code a till was shown is good. */
  readonly judgeCode: (
    till: TillId,
    question: AppCodeConfirm | RotatingCodeVerify,
  ) => Promise<CodeAnswer['verdict']>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Answers what tills ask, one after the other. */
export class FeedResponder implements Closable {
  readonly #ports: FeedResponderPorts;
  readonly #rate: RateLimit;
  readonly #queue: Request[] = [];
  #running: Promise<void> | undefined;
  #closed = false;
  #dropped = 0;

  constructor(ports: FeedResponderPorts) {
    this.#ports = ports;
    this.#rate = new RateLimit(TILL_RATE, ports.clock);
  }

  get status(): { readonly waiting: number; readonly dropped: number } {
    return { waiting: this.#queue.length, dropped: this.#dropped };
  }

  /** Takes note of a request; the work is done later. */
  offer(topic: string, payload: Uint8Array): void {
    const till = this.#ports.topics.tillOf(topic);
    if (this.#closed || till === undefined || this.#queue.length >= QUEUE_MAX || !this.#rate.take(till)) {
      this.#dropped += 1;
      return;
    }
    try {
      const request = decode(payload, Request);
      assertOwnTopic(this.#ports.topics, topic, request.till);
      this.#queue.push(request);
    } catch (error) {
      this.#dropped += 1;
      const code = isFault(error) ? error.code : undefined;
      this.#ports.log.warn({ event: 'feed.request_dropped', till, code, error: asError(error) });
      return;
    }
    this.#running ??= this.#work();
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#queue.length = 0;
    await this.idle();
  }

  async #work(): Promise<void> {
    for (let request = this.#queue.shift(); request !== undefined; request = this.#queue.shift()) {
      await this.#respond(request);
    }
    this.#running = undefined;
  }

  async #respond(request: Request): Promise<void> {
    const { topics, statements, bus, clock, log } = this.#ports;
    let response: Buffer;
    try {
      response = await statements.sign('response', request.till, {
        ...(await this.#answer(request)),
        serverTime: clock.now(),
      });
    } catch (error) {
      // Unsigned it would not be believed: the till asks again.
      log.error({ event: 'feed.response_unsigned', till: request.till, error: asError(error) });
      return;
    }
    // Not awaited: a till that cannot be reached asks again. It never rejects.
    void bus.publish(topics.response(request.till), response, { qos: 1 }).then((outcome) => {
      if (outcome !== 'sent') log.debug({ event: 'feed.response_unsent', till: request.till, outcome });
    });
  }

  #answer({ till, requestId, body }: Request): Promise<Response> {
    switch (body.kind) {
      case 'feed.page':
        return this.#page(till, requestId, body);
      case 'app-code.confirm':
      case 'rotating-code.verify':
        return this.#verdict(till, requestId, body);
    }
  }

  async #verdict(
    till: TillId,
    requestId: string,
    question: AppCodeConfirm | RotatingCodeVerify,
  ): Promise<Response> {
    try {
      return { requestId, ok: true, verdict: await this.#ports.judgeCode(till, question) };
    } catch (error) {
      const fault = asDatabaseFault(error);
      this.#ports.log.error({ event: 'feed.code_failed', till, kind: question.kind, error: fault });
      const code = isFault(fault) ? fault.code : 'API_INTERNAL';
      return { requestId, ok: false, code, message: 'the code could not be judged' };
    }
  }

  async #page(till: TillId, requestId: string, body: FeedPageRequest): Promise<Response> {
    const { database, log } = this.#ports;
    const refuse = (code: ErrorCode, message: string): Response => ({ requestId, ok: false, code, message });
    if (body.after !== null && body.after.epoch !== database.epoch) {
      return refuse('REP_EPOCH_CHANGED', 'the position belongs to another history: start from the beginning');
    }
    try {
      return { requestId, ok: true, page: await readFeedPage(database.db, database.epoch, body) };
    } catch (error) {
      const fault = asDatabaseFault(error);
      log.error({ event: 'feed.page_failed', till, collection: body.collection, error: fault });
      return isFault(fault)
        ? refuse(fault.code, 'the database does not answer')
        : refuse('API_INTERNAL', 'the page could not be read');
    }
  }
}
