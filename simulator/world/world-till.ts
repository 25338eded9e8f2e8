import type { KeyObject } from 'node:crypto';
import { isFault } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { Identifier } from '../../edge/identification/identifier.ts';
import { Journal } from '../../edge/journal/journal.ts';
import { Returns } from '../../edge/sale/returns.ts';
import { Sales } from '../../edge/sale/sales.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { JournalBatch } from '../../sync/contract/messages.ts';
import { decode } from '../../sync/contract/wire.ts';
import type { Bus } from '../../sync/bus.ts';
import type { MemoryBroker } from '../../sync/mqtt/memory-broker.ts';
import { TillLink } from '../../sync/till-link.ts';
import { FaultyDisk, Killed } from './faulty-disk.ts';
import { ForgetfulJournal } from './forgetful-journal.ts';
import { MapReplica, ReplicaDocuments } from './map-replica.ts';
import type { Mutant } from './mutants.ts';
import { ProcessBus } from './process-bus.ts';
import { ProcessClock } from './world-time.ts';
import type { WorldTime } from './world-time.ts';

/** How long a machine takes until its daemon runs again, ms. */
const RESTART_MS = { min: 1_000, max: 120_000 };

export interface WorldTillPorts {
  readonly time: WorldTime;
  readonly random: Random;
  readonly log: (ended: () => boolean) => Log;
  readonly broker: MemoryBroker;
  readonly folder: string;
  readonly tenant: string;
  readonly store: string;
  readonly publicKey: KeyObject;
  readonly journalKey: Uint8Array;
  readonly indexer: BlindIndexer;
  readonly mutant: Mutant | undefined;
  readonly tell: (what: string) => void;
  readonly onPublish: (topic: string, payload: Uint8Array) => void;
}

export type KillKind = 'kill' | 'power' | 'torn';

/** The daemon while it runs. */
export interface TillProcess {
  readonly sales: Sales;
  readonly returns: Returns;
  readonly identifier: Identifier;
  readonly journal: Journal;
}

interface Running extends TillProcess {
  readonly clock: ProcessClock;
  readonly bus: ProcessBus;
  readonly link: TillLink;
  readonly replica: MapReplica;
}

/** A till: a machine with a disk and a clock, and the daemon on it, which may be killed anywhere and comes up again. */
export class WorldTill {
  readonly name: string;
  readonly disk: FaultyDisk;
  readonly documents = new ReplicaDocuments();
  /** The machine's wall clock is ahead by this much. */
  readonly wall = { aheadMs: 0 };
  /** What ended it for good: there is no coming up again. */
  broken: Error | undefined;
  readonly #ports: WorldTillPorts;
  #running: Running | undefined;
  #starting: { readonly clock: ProcessClock; bus: ProcessBus | undefined } | undefined;
  #killAtPublish = false;
  #kills = 0;

  constructor(name: string, ports: WorldTillPorts) {
    this.name = name;
    this.#ports = ports;
    this.disk = new FaultyDisk(ports.folder, ports.mutant !== 'missing-fsync');
    this.disk.onKill = () => this.kill('torn', this.disk.diedInCommit);
  }

  get process(): TillProcess | undefined {
    return this.#running;
  }

  /** Entries that wait for the server; undefined while it does not run. */
  get unconfirmed(): number | undefined {
    return this.#running?.journal.unconfirmed;
  }

  get status(): TillLink['status'] | undefined {
    return this.#running?.link.status;
  }

  start(): void {
    this.#ports.time.hold(this.#start());
  }

  /** Ends the daemon here and now; it comes up again after a while. */
  kill(how: KillKind, withinCommit = false): void {
    const current = this.#running ?? this.#starting;
    if (current === undefined) return;
    this.#kills += 1;
    this.#ports.tell(`${this.name} killed ${how}${withinCommit ? ' within a commit' : ''}`);
    current.clock.end();
    current.bus?.end();
    this.#running = undefined;
    this.#starting = undefined;
    this.#killAtPublish = false;
    this.disk.kill(how, withinCommit);
    this.#restartLater();
  }

  /** At the next message it sends. */
  killAtPublish(): void {
    this.#killAtPublish = true;
  }

  cut(): void {
    this.#running?.bus.cut();
  }

  goDeaf(): void {
    this.#running?.bus.goDeaf();
  }

  mend(): void {
    this.#running?.bus.mend();
  }

  /** Nothing more is going to happen to it. */
  leaveInPeace(): void {
    this.disk.fault = undefined;
    this.disk.killAfterCalls = undefined;
    this.#killAtPublish = false;
    this.wall.aheadMs = 0;
    this.mend();
  }

  resync(): void {
    this.#running?.replica.resync();
  }

  #restartLater(): void {
    const { time, random } = this.#ports;
    const afterMs = RESTART_MS.min + random.next() * (RESTART_MS.max - RESTART_MS.min);
    time.schedule(afterMs, () => this.start());
  }

  async #start(): Promise<void> {
    if (this.#running !== undefined || this.#starting !== undefined || this.broken !== undefined) return;
    const kills = this.#kills;
    const { time, random, tell, indexer, store, mutant } = this.#ports;
    const clock = new ProcessClock(time, this.wall);
    const starting = { clock, bus: undefined as ProcessBus | undefined };
    this.#starting = starting;
    this.disk.revive();
    let ended = false;
    const log = this.#ports.log(() => ended || this.#kills !== kills);
    try {
      const journal = await Journal.open({
        file: this.disk.file,
        key: this.#ports.journalKey,
        till: this.name,
        clock,
        random,
        log,
        unconfirmedMax: 100_000,
        openFile: this.disk.openFile,
      });
      if (this.#kills !== kills) return;
      const replica = new MapReplica(this.documents, { clock, log });
      const uploaded = this.#uploaded(journal, mutant);
      const link = await TillLink.open(
        {
          tenant: this.#ports.tenant,
          publicKey: this.#ports.publicKey,
          version: 'world',
          journal: uploaded,
          versions: journal,
          sessions: { next: () => journal.nextSession() },
          noticeJitterMs: 2_000,
          openBus: async (opening) => {
            starting.bus = await ProcessBus.open({
              ...opening,
              broker: this.#ports.broker,
              clock,
              log,
              onPublish: (topic, payload) => this.#published(topic, payload),
            });
            return mutant === 'trusting-puback' && uploaded instanceof ForgetfulJournal
              ? believing(starting.bus, uploaded)
              : starting.bus;
          },
          clock,
          random,
          log,
        },
        {
          health: () => ({
            unconfirmed: journal.unconfirmed,
            diverged: false,
            replicaAgeMs: null,
            readers: [],
          }),
          onBehind: (collection) => replica.resync([collection]),
          onUrgent: () => {},
          onReseed: () => {
            this.documents.clear();
            replica.resync();
          },
          onChange: () => {},
        },
      );
      const { bus } = starting;
      if (this.#kills !== kills || bus === undefined) return;
      const sales = new Sales({
        store: journal.openSales,
        rules: replica.rules,
        clock,
        random,
        log,
        storeId: store,
        currency: 'EUR',
      });
      const returns = new Returns({ journal, store: journal.openSales, storeId: store, clock, random });
      const identifier = new Identifier({ indexer, replica, rules: replica.rules, clock });
      journal.onAppended(() => link.journalGrew());
      this.#running = { clock, bus, journal, sales, returns, identifier, link, replica };
      this.#starting = undefined;
      replica.follow(link);
      tell(`${this.name} runs, ${journal.lastSeq} entries, ${journal.unconfirmed} unconfirmed`);
    } catch (error) {
      if (error instanceof Killed || this.#kills !== kills) return;
      ended = true;
      clock.end();
      starting.bus?.end();
      this.#starting = undefined;
      if (isFault(error, 'JRN_CORRUPT') || !isFault(error)) {
        this.broken = error instanceof Error ? error : new Error(String(error));
        tell(`${this.name} broken: ${this.broken.message}`);
        return;
      }
      tell(`${this.name} does not start: ${error.code}`);
      this.#restartLater();
    }
  }

  #uploaded(journal: Journal, mutant: Mutant | undefined): Journal | ForgetfulJournal {
    if (mutant === 'send-and-forget') return new ForgetfulJournal(journal, 'sent');
    return mutant === 'trusting-puback' ? new ForgetfulJournal(journal, 'acknowledged') : journal;
  }

  #published(topic: string, payload: Uint8Array): void {
    this.#ports.onPublish(topic, payload);
    if (!this.#killAtPublish) return;
    this.kill('power');
  }
}

/** A bus whose acknowledgements are believed. */
function believing(bus: Bus, journal: ForgetfulJournal): Bus {
  return {
    get connected() {
      return bus.connected;
    },
    onConnection: (listener) => bus.onConnection(listener),
    close: () => bus.close(),
    publish: async (topic, payload, options) => {
      const outcome = await bus.publish(topic, payload, options);
      if (outcome === 'sent' && topic.endsWith('/journal')) {
        journal.acknowledged(decode(payload, JournalBatch).entries.at(-1)?.seq ?? 0);
      }
      return outcome;
    },
  };
}
