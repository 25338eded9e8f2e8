import type { KeyObject } from 'node:crypto';
import { asError, StammkundeError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { Customers } from '../../server/customers/customers.ts';
import type { NewCustomer } from '../../server/customers/customer.ts';
import { SchemeCardNumbers } from '../../server/cards/card-numbers.ts';
import { Database } from '../../server/database/database.ts';
import type { EngineSession, MemoryEngine } from '../../server/database/memory-engine.ts';
import { answerBucket } from '../../server/feed/bucket.ts';
import { FeedPublisher } from '../../server/feed/feed-publisher.ts';
import { answerFeedPage } from '../../server/feed/feed-store.ts';
import { scopeOfStore } from '../../server/feed/programme-scope.ts';
import { answerRanges } from '../../server/feed/ranges.ts';
import { Intake } from '../../server/intake/intake.ts';
import { TillStates } from '../../server/intake/till-states.ts';
import { RequestResponder } from '../../server/requests/request-responder.ts';
import type { RequestHandlers } from '../../server/requests/request-responder.ts';
import { Statements } from '../../server/statements.ts';
import type { Bus } from '../../sync/bus.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { CardScheme } from '../../sync/contract/card-scheme.ts';
import { JournalBatch } from '../../sync/contract/messages.ts';
import { ANY_TILL, topicsOf } from '../../sync/contract/topics.ts';
import { decode } from '../../sync/contract/wire.ts';
import type { MemoryBroker } from '../../sync/mqtt/memory-broker.ts';
import { DatabaseGate } from './database-gate.ts';
import type { Mutant } from './mutants.ts';
import { ProcessBus } from './process-bus.ts';
import { ProcessClock } from './world-time.ts';
import type { WorldTime } from './world-time.ts';

const RESTART_MS = { min: 500, max: 30_000 };

export interface WorldWorkerPorts {
  readonly time: WorldTime;
  readonly random: Random;
  readonly log: (ended: () => boolean) => Log;
  readonly broker: MemoryBroker;
  readonly engine: MemoryEngine;
  readonly epoch: string;
  readonly tenant: string;
  readonly signingKey: KeyObject;
  readonly indexer: BlindIndexer;
  readonly cardSchemes: readonly CardScheme[];
  readonly mutant: Mutant | undefined;
  /** Now and then a transaction sees nothing of what others committed. */
  readonly blindReads: boolean;
  readonly tell: (what: string) => void;
  readonly onPublish: (topic: string, payload: Uint8Array) => void;
  readonly onCommit: () => Promise<void>;
  /** Whether a message that reached this worker is its to take, as a shared subscription decides. */
  readonly takes: (worker: WorldWorker, topic: string, payload: Uint8Array) => boolean;
}

interface Running {
  readonly clock: ProcessClock;
  readonly bus: ProcessBus;
  readonly session: EngineSession;
  readonly gate: DatabaseGate;
  readonly customers: Customers;
}

/** A server process: everything of it that a till can feel, without its HTTP API and its own broker. */
export class WorldWorker {
  readonly name: string;
  readonly #ports: WorldWorkerPorts;
  #running: Running | undefined;
  #killAtPublish = false;

  constructor(name: string, ports: WorldWorkerPorts) {
    this.name = name;
    this.#ports = ports;
  }

  get runs(): boolean {
    return this.#running !== undefined;
  }

  start(): void {
    this.#ports.time.hold(this.#start());
  }

  kill(): void {
    const running = this.#running;
    if (running === undefined) return;
    const { time, random, tell } = this.#ports;
    tell(`${this.name} killed`);
    this.#running = undefined;
    this.#killAtPublish = false;
    running.clock.end();
    running.bus.end();
    time.hold(running.session.breakOff());
    time.schedule(RESTART_MS.min + random.next() * (RESTART_MS.max - RESTART_MS.min), () => this.start());
  }

  killAfterStatements(count: number | undefined): void {
    if (this.#running !== undefined) this.#running.gate.killAfterStatements = count;
  }

  killAtPublish(): void {
    this.#killAtPublish = true;
  }

  setAway(away: boolean): void {
    if (this.#running !== undefined) this.#running.gate.away = away;
  }

  goDeaf(): void {
    this.#running?.bus.goDeaf();
  }

  mend(): void {
    this.#running?.bus.mend();
    this.setAway(false);
  }

  /** Nothing more is going to happen to it. */
  leaveInPeace(): void {
    this.#killAtPublish = false;
    this.killAfterStatements(undefined);
    this.mend();
  }

  /** Somebody at the service desk gives out cards. */
  register(customers: readonly NewCustomer[]): Promise<unknown> {
    return this.#running?.customers.create(customers) ?? Promise.resolve();
  }

  /** The same in the midst of trouble: it may be refused, or never answered; the desk does not try again. */
  tryToRegister(customer: NewCustomer): void {
    const { tell } = this.#ports;
    this.register([customer]).then(
      () => tell(`${this.name} was asked to register ${customer.id ?? ''}`),
      (error: unknown) => tell(`${this.name} does not register: ${asError(error).message}`),
    );
  }

  async #start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { time, random, broker, engine, epoch, signingKey, indexer, tell, mutant } = this.#ports;
    const clock = new ProcessClock(time);
    const gate = new DatabaseGate(engine, random);
    const session = engine.session(gate.pass);
    const log = this.#ports.log(() => this.#running?.session !== session);
    const database = Database.over(session.db, epoch, log);
    const topics = topicsOf(this.#ports.tenant);
    const statements = new Statements(database, { clock, signingKey });
    gate.onKill = () => this.kill();
    gate.onCommit = this.#ports.onCommit;
    if (mutant === 'naive-cursor') readByPositionAlone(gate);
    if (this.#ports.blindReads) readBlindly(gate, random);

    let bus: ProcessBus | undefined;
    let publisher: FeedPublisher | undefined;
    const outbox: Pick<Bus, 'publish'> = {
      publish: (topic, payload, options) =>
        bus?.publish(topic, payload, options) ?? Promise.resolve('offline'),
    };
    const shared = { database, topics, statements, clock, log };
    const intake = new Intake({
      ...shared,
      bus: outbox,
      random,
      indexer,
      controller: this.#ports.tenant,
      onCommitted: () => publisher?.changed(),
    });
    const responder = new RequestResponder({ ...shared, bus: outbox, handlers: handlersOf(database) });
    const states = new TillStates({ ...shared, random });
    const takes = (topic: string, payload: Uint8Array): boolean => this.#ports.takes(this, topic, payload);
    bus = await ProcessBus.open({
      broker,
      clock,
      log,
      takes,
      onPublish: (topic, payload) => {
        this.#ports.onPublish(topic, payload);
        if (this.#killAtPublish) this.kill();
      },
      subscriptions: [
        {
          filter: topics.journal(ANY_TILL),
          onMessage: (topic, payload) => {
            if (mutant === 'ack-before-commit')
              acknowledge(payload, { statements, bus: outbox, topics, clock });
            intake.offer(topic, payload);
          },
        },
        { filter: topics.request(ANY_TILL), onMessage: (topic, payload) => responder.offer(topic, payload) },
        { filter: topics.state(ANY_TILL), onMessage: (topic, payload) => states.offer(topic, payload) },
      ],
    });
    publisher = new FeedPublisher({ ...shared, bus });
    const customers = new Customers({
      database,
      cardNumbers: new SchemeCardNumbers(this.#ports.cardSchemes, indexer, { clock, random }),
      changes: publisher,
      clock,
      random,
    });
    this.#running = { clock, bus, session, gate, customers };
    tell(`${this.name} runs`);
  }
}

/** What tills ask of the feed; all else they can do without. */
function handlersOf(database: Database): RequestHandlers {
  const answered: Partial<RequestHandlers> = {
    'feed.page': async (_till, question) =>
      answerFeedPage(database, question, await scopeOfStore(database.db, question.store)),
    'feed.ranges': async (_till, question) =>
      answerRanges(database, question, await scopeOfStore(database.db, question.store)),
    'feed.bucket': async (_till, question) =>
      answerBucket(database, question, await scopeOfStore(database.db, question.store)),
  };
  const refuse = (): Promise<never> =>
    Promise.reject(new StammkundeError('REQ_REFUSED', 'nobody answers that in this world'));
  // Every kind that is not answered is refused, which a record of all kinds would say at greater length.
  return new Proxy(answered, {
    get: (target, kind): unknown => Reflect.get(target, kind) ?? refuse,
  }) as RequestHandlers;
}

const READS_WHAT_STANDS = [
  /from till_journal where id = any/,
  /join till_journal j on j\.till = r\.till/,
  /select idempotency_key as key from ledger_transaction where/,
];
/** How many transactions see nothing of what others committed. */
const BLIND_SHARE = 0.3;

function readByPositionAlone(gate: DatabaseGate): void {
  gate.rewrite = (statement) => ({
    ...statement,
    sql: statement.sql.replaceAll('< pg_snapshot_xmin(pg_current_snapshot())', 'is not null'),
  });
}

function readBlindly(gate: DatabaseGate, random: Random): void {
  let isBlind = false;
  gate.seesNothing = ({ sql, inTransaction }) => {
    if (sql === 'begin') isBlind = random.next() < BLIND_SHARE;
    return isBlind && inTransaction && READS_WHAT_STANDS.some((reads) => reads.test(sql));
  };
}

/** The mutant: a receipt for what has only just come in. */
function acknowledge(
  payload: Uint8Array,
  ports: {
    readonly statements: Statements;
    readonly bus: Pick<Bus, 'publish'>;
    readonly topics: ReturnType<typeof topicsOf>;
    readonly clock: ProcessClock;
  },
): void {
  const { till, incarnation, entries } = decode(payload, JournalBatch);
  const last = entries.at(-1);
  if (last === undefined) return;
  const receipt = {
    incarnation,
    contiguous: last.seq,
    hash: last.hash,
    holes: [],
    verdicts: [],
    serverTime: ports.clock.now(),
  };
  void ports.statements
    .sign('receipt', till, receipt)
    .then((statement) => ports.bus.publish(ports.topics.receipt(till), statement, { qos: 1 }));
}
