import type { Clock } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import { withDeadline } from '../../foundation/deadline.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Bus } from '../../sync/bus.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import { LOOKUP_DEADLINE_MS } from '../../sync/contract/lookup.ts';
import { Request, waitedFor } from '../../sync/contract/messages.ts';
import type { Answer, Question, QuestionKind, Response } from '../../sync/contract/messages.ts';
import type { Topics } from '../../sync/contract/topics.ts';
import { decode, REQUEST_LIMITS } from '../../sync/contract/wire.ts';
import { asDatabaseFault } from '../database/faults.ts';
import { assertOwnTopic } from '../intake/journal-message.ts';
import type { Statements } from '../statements.ts';
import { Lane } from './lane.ts';
import type { LaneSettings } from './lane.ts';
import { RateLimit } from './rate-limit.ts';
import type { Rate } from './rate-limit.ts';

/** Waiting requests of one till, and of all; more are dropped, for the tills ask again. */
const WAITING = { waitingOfTillMax: 8, waitingMax: 8_000 };
/** Cards that a customer presented; a till waits for no longer than this. */
const LOOKUPS = { ...WAITING, workers: 2, deadlineMs: LOOKUP_DEADLINE_MS, answerMs: 2_000 };
/** Codes that a customer presented, which may take longer than a card may wait. A till waits for 3 s. */
const CODES = { ...WAITING, workers: 2, deadlineMs: 3_000, answerMs: 3_000 };
/** For loading replicas; one at a time leaves the database to everybody else. A till waits for 20 s. */
const BULK = { ...WAITING, workers: 1, deadlineMs: 20_000, answerMs: 30_000 };
/** Some signatures first reserve their version in the database. */
const SIGN_MS = 5_000;
/** A till that loads a million customers asks some ten times a second. */
const TILL_RATE: Rate = { burst: 100, perSecond: 50 };

interface Limits {
  /** How long an answer may take; whoever makes it then goes on for nobody. */
  readonly answerMs: number;
}

/** What answers each kind of question. A {@link StammkundeError} that is thrown refuses it by its code. */
export type RequestHandlers = {
  readonly [K in QuestionKind]: (till: TillId, question: Question<K>) => Promise<Answer<K>>;
};

export interface RequestResponderPorts {
  readonly handlers: RequestHandlers;
  readonly topics: Topics;
  readonly statements: Pick<Statements, 'sign'>;
  readonly bus: Pick<Bus, 'publish'>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Answers what tills ask, in three lanes: whoever loads a replica holds up nobody who waits at a till, and a code that
 * takes long no card.
 */
export class RequestResponder implements Closable {
  readonly #ports: RequestResponderPorts;
  readonly #rate: RateLimit;
  readonly #lookups: Lane;
  readonly #codes: Lane;
  readonly #bulk: Lane;
  #closed = false;
  #dropped = 0;

  constructor(ports: RequestResponderPorts) {
    this.#ports = ports;
    this.#rate = new RateLimit(TILL_RATE, ports.clock);
    const lane = (settings: LaneSettings & Limits): Lane =>
      new Lane(settings, ports.clock, (request) => this.#respond(request, settings));
    this.#lookups = lane(LOOKUPS);
    this.#codes = lane(CODES);
    this.#bulk = lane(BULK);
  }

  get #lanes(): readonly Lane[] {
    return [this.#lookups, this.#codes, this.#bulk];
  }

  get status(): { readonly waiting: number; readonly dropped: number } {
    return {
      waiting: this.#lanes.reduce((sum, { waiting }) => sum + waiting, 0),
      dropped: this.#lanes.reduce((sum, { outdated }) => sum + outdated, this.#dropped),
    };
  }

  /** Takes note of a request; the work is done later. */
  offer(topic: string, payload: Uint8Array): void {
    const till = this.#ports.topics.tillOf(topic);
    if (this.#closed || till === undefined || !this.#rate.take(till)) {
      this.#dropped += 1;
      return;
    }
    try {
      const request = decode(payload, Request, REQUEST_LIMITS);
      assertOwnTopic(this.#ports.topics, topic, request.till);
      if (!this.#laneOf(request.body.kind).offer(request)) this.#dropped += 1;
    } catch (error) {
      this.#dropped += 1;
      const code = isFault(error) ? error.code : undefined;
      this.#ports.log.warn({ event: 'request.dropped', till, code, error: asError(error) });
    }
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.idle()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const lane of this.#lanes) lane.clear();
    await this.idle();
  }

  #laneOf(kind: QuestionKind): Lane {
    if (kind === 'credential.lookup') return this.#lookups;
    return waitedFor.has(kind) ? this.#codes : this.#bulk;
  }

  async #respond(request: Request, limits: Limits): Promise<void> {
    const { topics, statements, bus, clock, log } = this.#ports;
    let response: Buffer;
    try {
      const answer = await this.#answer(request, limits);
      const signed = statements.sign('response', request.till, { ...answer, serverTime: clock.now() });
      const what = 'a signature';
      response = await withDeadline(signed, { clock, deadlineMs: SIGN_MS, code: 'DB_UNREACHABLE', what });
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

  async #answer({ till, requestId, body }: Request, { answerMs }: Limits): Promise<Response> {
    const { handlers, clock, log } = this.#ports;
    try {
      const answer = await withDeadline(handle(handlers, till, body), {
        clock,
        deadlineMs: answerMs,
        code: 'BUS_TIMEOUT',
        what: `the answer to ${body.kind}`,
      });
      return { requestId, ok: true, answer };
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
