import type { KeyObject } from 'node:crypto';
import type { Clock, Instant } from '../../foundation/clock.ts';
import { silentLog } from '../../foundation/log.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Random } from '../../foundation/random.ts';
import type { Bus, BusOpening } from '../../sync/bus.ts';
import { isBehind } from '../../sync/contract/feed.ts';
import type { FeedPosition } from '../../sync/contract/feed.ts';
import type { JournalEntry, JournalOwner } from '../../sync/contract/journal-entry.ts';
import type { FeedUrgent } from '../../sync/contract/messages.ts';
import { replicaCollectionNames } from '../../sync/contract/replica-documents.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import type { UploadJournal } from '../../sync/journal-upload.ts';
import type { ObeyedVersions } from '../../sync/obeyed-versions.ts';
import { TillLink } from '../../sync/till-link.ts';
import { SellingTill } from './intake-sales.ts';
import type { Shoppers } from './intake-sales.ts';

/** Documents asked for at once. */
const PAGE = 5_000;
/** After a pull that failed. */
const RETRY_MS = 1_000;

/** Where the server's feed stands, in whatever epoch. */
export type Heads = Readonly<Record<ReplicaCollection, Omit<FeedPosition, 'epoch'>>>;

/** What somebody wants to know of a till. */
export interface FleetTold {
  /** The server's receipt for an entry came so long after the entry was made. */
  onReceipt(ms: number): void;
  onUrgent(till: FleetTill, urgent: FeedUrgent): void;
  onPulled(documents: number): void;
}

export interface FleetTillPorts {
  readonly tenant: string;
  readonly publicKey: KeyObject;
  readonly shoppers: Shoppers;
  readonly openBus: (opening: BusOpening) => Promise<Bus>;
  readonly noticeJitterMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly told: FleetTold;
}

/** A journal in memory: entries are sealed and kept as a till keeps them, and never written to a disk. */
class MemoryJournal implements UploadJournal {
  readonly owner: JournalOwner;
  confirmedSeq = 0;
  readonly #entries: JournalEntry[] = [];
  readonly #madeMs: number[] = [];
  readonly #clock: Clock;
  readonly #onReceipt: (ms: number) => void;

  constructor(owner: JournalOwner, clock: Clock, onReceipt: (ms: number) => void) {
    this.owner = owner;
    this.#clock = clock;
    this.#onReceipt = onReceipt;
  }

  get lastSeq(): number {
    return this.#entries.length;
  }

  append(entry: JournalEntry): void {
    this.#entries.push(entry);
    this.#madeMs.push(this.#clock.monotonicMs());
  }

  read(afterSeq: number, limit: number): readonly JournalEntry[] {
    return this.#entries.slice(afterSeq, afterSeq + limit);
  }

  hashAt(seq: number): string | undefined {
    return this.#entries[seq - 1]?.hash;
  }

  confirm(upToSeq: number, _serverTime: Instant): void {
    for (const madeMs of this.#madeMs.slice(this.confirmedSeq, upToSeq))
      this.#onReceipt(this.#clock.monotonicMs() - madeMs);
    this.confirmedSeq = Math.max(this.confirmedSeq, upToSeq);
  }
}

/**
 * A till without hardware, disk and HTTP: connection, wire, signatures, upload, presence and the following of the feed are
 * the real ones. Of the replica it knows how far it has pulled, and holds no documents.
 */
export class FleetTill implements Closable {
  readonly name: string;
  readonly #ports: FleetTillPorts;
  readonly #selling: SellingTill;
  readonly #journal: MemoryJournal;
  readonly #positions: Partial<Record<ReplicaCollection, FeedPosition>> = {};
  readonly #behind = new Set<ReplicaCollection>(replicaCollectionNames);
  #link: TillLink | undefined;
  #session = 0;
  #pulling = false;
  #closed = false;
  #cancelRetry: () => void = () => {};
  /** When it last came to be connected, monotonic; undefined while it is not. */
  connectedMs: number | undefined;

  constructor(name: string, ports: FleetTillPorts) {
    this.name = name;
    this.#ports = ports;
    this.#selling = new SellingTill(name, ports.shoppers, ports.random);
    this.#journal = new MemoryJournal(this.#selling.owner, ports.clock, (ms) => ports.told.onReceipt(ms));
  }

  get unconfirmed(): number {
    return this.#journal.lastSeq - this.#journal.confirmedSeq;
  }

  /** Whether everything it sold is confirmed, and its replica is where the server's feed stands. */
  isCurrent(heads: Heads): boolean {
    if (this.#link?.status.connected !== true || this.unconfirmed > 0) return false;
    return replicaCollectionNames.every((name) => {
      const position = this.#positions[name];
      return position !== undefined && !isBehind(position, { ...heads[name], epoch: position.epoch });
    });
  }

  async open(): Promise<void> {
    const { tenant, publicKey, openBus, noticeJitterMs, clock, random, told } = this.#ports;
    const obeyed = { command: 0, urgent: 0 };
    const versions: ObeyedVersions = {
      last: (kind) => obeyed[kind],
      obeyed: (kind, version) => (obeyed[kind] = version),
    };
    this.#link = await TillLink.open(
      {
        tenant,
        publicKey,
        version: 'fleet',
        journal: this.#journal,
        versions,
        sessions: { next: () => (this.#session += 1) },
        noticeJitterMs,
        openBus,
        clock,
        random,
        log: silentLog,
      },
      {
        health: () => ({
          unconfirmed: this.unconfirmed,
          diverged: false,
          replicaAgeMs: null,
          readers: [],
        }),
        onBehind: (collection) => this.#follow(collection),
        onUrgent: (urgent) => told.onUrgent(this, urgent),
        onReseed: () => {},
        onChange: () => this.#changed(),
      },
    );
  }

  sell(): void {
    this.#journal.append(this.#selling.sell());
    this.#link?.journalGrew();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry();
    await this.#link?.close();
  }

  #changed(): void {
    const connected = this.#link?.status.connected === true;
    if (!connected) this.connectedMs = undefined;
    else this.connectedMs ??= this.#ports.clock.monotonicMs();
  }

  #follow(collection: ReplicaCollection): void {
    this.#behind.add(collection);
    if (!this.#pulling && !this.#closed) void this.#pullAll();
  }

  async #pullAll(): Promise<void> {
    this.#pulling = true;
    this.#cancelRetry();
    try {
      for (const collection of replicaCollectionNames) {
        if (this.#behind.delete(collection)) await this.#pull(collection);
      }
    } catch {
      // Not reached, or not answered in time: all of it again, as a replica does.
      for (const collection of replicaCollectionNames) this.#behind.add(collection);
    }
    this.#pulling = false;
    if (this.#behind.size === 0 || this.#closed) return;
    this.#cancelRetry = this.#ports.clock.schedule(RETRY_MS, () => void this.#pullAll());
  }

  async #pull(collection: ReplicaCollection): Promise<void> {
    for (;;) {
      const page = await this.#link?.pull(collection, this.#positions[collection] ?? null, PAGE);
      if (page === undefined) return;
      this.#positions[collection] = page.position;
      this.#ports.told.onPulled(page.documents.length);
      if (!page.more) return;
    }
  }
}
