import type { Clock } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Bus } from '../../sync/bus.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import { Request, waitedFor } from '../../sync/contract/messages.ts';
import type { Answer, Question, QuestionKind, Response } from '../../sync/contract/messages.ts';
import type { Topics } from '../../sync/contract/topics.ts';
import { decode } from '../../sync/contract/wire.ts';
import { asDatabaseFault } from '../database/faults.ts';
import { assertOwnTopic } from '../intake/journal-message.ts';
import type { Statements } from '../statements.ts';
import { RateLimit } from './rate-limit.ts';
import type { Rate } from './rate-limit.ts';

/** Requests that may wait in a lane; more are dropped, for the tills ask again. */
const QUEUE_MAX = 1_000;
/** A till that loads a million customers asks some ten times a second. */
const TILL_RATE: Rate = { burst: 100, perSecond: 50 };

/** What answers each kind of question. A {@link StammkundeError} that is thrown refuses it by its code. */
export type RequestHandlers = {
  readonly [K in QuestionKind]: (till: TillId, question: Question<K>) => Promise<Answer<K>>;
};

export interface RequestResponderPorts {
  readonly handlers: RequestHandlers;
  readonly topics: Topics;
  readonly statements: Statements;
  readonly bus: Pick<Bus, 'publish'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Answers what tills ask, in two lanes, in each one after the other. */
export class RequestResponder implements Closable {
  readonly #ports: RequestResponderPorts;
  readonly #rate: RateLimit;
  readonly #waitedFor: Lane;
  readonly #bulk: Lane;
  #closed = false;
  #dropped = 0;

  constructor(ports: RequestResponderPorts) {
    this.#ports = ports;
    this.#rate = new RateLimit(TILL_RATE, ports.clock);
    this.#waitedFor = new Lane((request) => this.#respond(request));
    this.#bulk = new Lane((request) => this.#respond(request));
  }

  get status(): { readonly waiting: number; readonly dropped: number } {
    return { waiting: this.#waitedFor.waiting + this.#bulk.waiting, dropped: this.#dropped };
  }

  /** Takes note of a request; the work is done later. */
  offer(topic: string, payload: Uint8Array): void {
    const till = this.#ports.topics.tillOf(topic);
    if (this.#closed || till === undefined || !this.#rate.take(till)) {
      this.#dropped += 1;
      return;
    }
    try {
      const request = decode(payload, Request);
      assertOwnTopic(this.#ports.topics, topic, request.till);
      const lane = waitedFor.has(request.body.kind) ? this.#waitedFor : this.#bulk;
      if (!lane.offer(request)) this.#dropped += 1;
    } catch (error) {
      this.#dropped += 1;
      const code = isFault(error) ? error.code : undefined;
      this.#ports.log.warn({ event: 'request.dropped', till, code, error: asError(error) });
    }
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    await Promise.all([this.#waitedFor.idle(), this.#bulk.idle()]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#waitedFor.clear();
    this.#bulk.clear();
    await this.idle();
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
      log.error({ event: 'request.unsigned', till: request.till, error: asError(error) });
      return;
    }
    // Not awaited: a till that cannot be reached asks again. It never rejects.
    void bus.publish(topics.response(request.till), response, { qos: 1 }).then((outcome) => {
      if (outcome !== 'sent') log.debug({ event: 'request.unsent', till: request.till, outcome });
    });
  }

  async #answer({ till, requestId, body }: Request): Promise<Response> {
    const { handlers, log } = this.#ports;
    try {
      return { requestId, ok: true, answer: await handle(handlers, till, body) };
    } catch (error) {
      const fault = asDatabaseFault(error);
      const code: ErrorCode = isFault(fault) ? fault.code : 'API_INTERNAL';
      if (TOLD_APART.has(code)) log.info({ event: 'request.refused', till, kind: body.kind, code });
      else log.error({ event: 'request.failed', till, kind: body.kind, error: fault });
      return { requestId, ok: false, code, message: `${body.kind} could not be answered` };
    }
  }
}

/** Refusals that are answers, not faults of the server. */
const TOLD_APART: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'REP_EPOCH_CHANGED',
  'REP_SNAPSHOT_REQUIRED',
  'REP_CHUNK_GONE',
  'REQ_LIMITED',
]);

function handle<K extends QuestionKind>(
  handlers: RequestHandlers,
  till: TillId,
  question: Question<K>,
): Promise<Answer<K>> {
  // The handler of a question's own kind, which TypeScript does not follow through a union.
  const handler = handlers[question.kind] as (till: TillId, question: Question<K>) => Promise<Answer<K>>;
  return handler(till, question);
}

/** Requests served one after the other. */
class Lane {
  readonly #queue: Request[] = [];
  readonly #serve: (request: Request) => Promise<void>;
  #running: Promise<void> | undefined;

  constructor(serve: (request: Request) => Promise<void>) {
    this.#serve = serve;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** False when too many wait already. */
  offer(request: Request): boolean {
    if (this.#queue.length >= QUEUE_MAX) return false;
    this.#queue.push(request);
    this.#running ??= this.#work();
    return true;
  }

  clear(): void {
    this.#queue.length = 0;
  }

  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #work(): Promise<void> {
    for (let request = this.#queue.shift(); request !== undefined; request = this.#queue.shift()) {
      await this.#serve(request);
    }
    this.#running = undefined;
  }
}
