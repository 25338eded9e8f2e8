import { generateKeyPairSync } from 'node:crypto';
import type { z } from 'zod';
import type { Clock } from '../../../foundation/clock.ts';
import { silentLog } from '../../../foundation/log.ts';
import type { Bus, BusOpening } from '../../../sync/bus.ts';
import type { FeedPosition } from '../../../sync/contract/feed.ts';
import { entryHash } from '../../../sync/contract/journal-entry.ts';
import type { JournalEntry, JournalOwner } from '../../../sync/contract/journal-entry.ts';
import { JournalBatch, Request, TillState } from '../../../sync/contract/messages.ts';
import type {
  EntryVerdict,
  Response,
  ServerBodyKind,
  serverBodies,
} from '../../../sync/contract/messages.ts';
import { ALL_TILLS, signStatement } from '../../../sync/contract/server-signature.ts';
import { ANY_TILL, topicsOf } from '../../../sync/contract/topics.ts';
import { decode } from '../../../sync/contract/wire.ts';
import { MemoryBus } from '../../../sync/mqtt/memory-bus.ts';
import type { MemoryBroker } from '../../../sync/mqtt/memory-broker.ts';

export const TENANT = 'kaufhaus';
export const topics = topicsOf(TENANT);
export const keys = generateKeyPairSync('ed25519');

/** The least server that keeps its promises, made of the contract alone. */
export class ModelServer {
  /** What is committed, by sequence. */
  rows = new Map<number, JournalEntry>();
  /** How often each sequence was committed. */
  readonly commits = new Map<number, number>();
  readonly batches: JournalBatch[] = [];
  readonly states: TillState[] = [];
  readonly requests: Request[] = [];
  /** Receives and says nothing. */
  mute = false;
  /** Answers a request; undefined: not at all. */
  respond: (request: Request) => Response | undefined = () => undefined;
  readonly bus: Bus;
  readonly #clock: Clock;
  readonly #owner: JournalOwner;
  #version = 0;

  private constructor(bus: Bus, clock: Clock, owner: JournalOwner) {
    this.bus = bus;
    this.#clock = clock;
    this.#owner = owner;
  }

  static open(broker: MemoryBroker, clock: Clock, owner: JournalOwner): Promise<ModelServer> {
    return ModelServer.openOn(
      (opening) => MemoryBus.open(broker, { ...opening, clock, log: silentLog }),
      clock,
      owner,
    );
  }

  static async openOn(
    openBus: (opening: BusOpening) => Promise<Bus>,
    clock: Clock,
    owner: JournalOwner,
  ): Promise<ModelServer> {
    // The subscriptions speak to the server that is made right after.
    const later: { server?: ModelServer } = {};
    const bus = await openBus({
      subscriptions: [
        {
          filter: topics.journal(ANY_TILL),
          onMessage: (_topic, payload) => later.server?.take(decode(payload, JournalBatch)),
        },
        {
          filter: topics.request(ANY_TILL),
          onMessage: (_topic, payload) => later.server?.answer(decode(payload, Request)),
        },
        {
          filter: topics.state(ANY_TILL),
          onMessage: (_topic, payload) => void later.server?.states.push(decode(payload, TillState)),
        },
      ],
    });
    later.server = new ModelServer(bus, clock, owner);
    return later.server;
  }

  get contiguous(): number {
    let seq = 0;
    while (this.rows.has(seq + 1)) seq += 1;
    return seq;
  }

  /** As a restored backup does: only entries up to `seq` are left. */
  restoreBackup(seq: number): void {
    this.rows = new Map([...this.rows].filter(([each]) => each <= seq));
  }

  take(batch: JournalBatch): void {
    this.batches.push(batch);
    if (this.mute || batch.incarnation !== this.#owner.incarnation) return;
    const verdicts = batch.entries.map((entry): EntryVerdict => {
      const { hash, ...unsealed } = entry;
      if (entryHash(unsealed) !== hash) return { seq: entry.seq, verdict: 'refused', code: 'LEDGER_CHAIN' };
      const row = this.rows.get(entry.seq);
      if (row !== undefined && row.hash !== hash) {
        return { seq: entry.seq, verdict: 'conflict', code: 'LEDGER_CONFLICT' };
      }
      if (row !== undefined) return { seq: entry.seq, verdict: 'exists' };
      this.rows.set(entry.seq, entry);
      this.commits.set(entry.seq, (this.commits.get(entry.seq) ?? 0) + 1);
      return { seq: entry.seq, verdict: 'created' };
    });
    this.sendReceipt(verdicts);
  }

  sendReceipt(verdicts: EntryVerdict[] = []): void {
    const { contiguous } = this;
    this.send('receipt', {
      incarnation: this.#owner.incarnation,
      contiguous,
      hash: this.rows.get(contiguous)?.hash ?? null,
      holes: this.#holes(contiguous),
      verdicts,
      serverTime: Math.floor(this.#clock.now()),
    });
  }

  answer(request: Request): void {
    this.requests.push(request);
    const response = this.respond(request);
    if (response !== undefined && !this.mute) this.send('response', response);
  }

  /** Signs and publishes; `version` and the addressee can be chosen to make trouble. */
  send<K extends ServerBodyKind>(
    kind: K,
    body: z.infer<(typeof serverBodies)[K]>,
    options: { readonly version?: number; readonly expiresAt?: number; readonly retain?: boolean } = {},
  ): void {
    const toAll = kind === 'head' || kind === 'urgent';
    const till = this.#owner.till;
    const topic = {
      receipt: topics.receipt(till),
      response: topics.response(till),
      command: topics.command(till),
      head: topics.feedHead,
      urgent: topics.feedUrgent,
    }[kind];
    this.#version = options.version ?? this.#version + 1;
    const payload = signStatement(
      {
        to: toAll ? ALL_TILLS : till,
        kind,
        version: this.#version,
        expiresAt: options.expiresAt ?? Math.floor(this.#clock.now()) + 60_000,
        body,
      },
      keys.privateKey,
    );
    void this.bus.publish(topic, payload, { qos: 1, retain: options.retain ?? kind === 'head' });
  }

  #holes(contiguous: number): [number, number][] {
    const holes: [number, number][] = [];
    let last = contiguous;
    for (const seq of [...this.rows.keys()].filter((each) => each > contiguous).toSorted((a, b) => a - b)) {
      if (seq > last + 1) holes.push([last + 1, seq - 1]);
      last = seq;
    }
    return holes.slice(0, 100);
  }
}

/** A position in the model's feed. */
export function at(seq: number, epoch = 'e1'): FeedPosition {
  return { epoch, xid: '7', seq };
}
