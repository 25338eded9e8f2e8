import { sql } from 'kysely';
import type { Clock } from '../../foundation/clock.ts';
import { sleep } from '../../foundation/clock.ts';
import { asError, isFault, StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { retryDelayMs } from '../../foundation/retry-schedule.ts';
import type { RetrySchedule } from '../../foundation/retry-schedule.ts';
import { TillState } from '../../sync/contract/messages.ts';
import type { Topics } from '../../sync/contract/topics.ts';
import { decode, STATE_LIMITS } from '../../sync/contract/wire.ts';
import type { Database, Queries } from '../database/database.ts';
import { databaseCodeOf, isRefusedValue } from '../database/faults.ts';
import { assertOwnTopic } from './journal-message.ts';

/** Tills of which something waits; of more the next state counts, or what the broker retained. */
const TILLS_MAX = 100_000;
const BYTES_MAX = 64 * 1024 * 1024;
/** Messages of one till that wait to be read: the newest. */
const UNREAD_OF_TILL_MAX = 4;
/** States that arrive within this time are stored together. */
const GATHER_MS = 100;
/** States in one statement. */
const STORED_AT_ONCE = 5_000;
/** Having read for so long, everything else in this process has a turn. */
const READING_SLICE_MS = 10;
/** While the database is away. */
const RETRY: RetrySchedule = { firstMs: 500, maxMs: 10_000 };
/**
 * Servers write what they heard of one session within this time of each other. Later an older state is one of a till
 * whose clock was set back.
 */
const REORDERED_WITHIN_MS = 60_000;

export interface TillStatesPorts {
  readonly database: Database;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Told of states once they are stored; only takes note. */
  readonly onStored?: (states: readonly TillState[]) => void;
}

/**
 * Keeps the last state each till reported, also through a time without database: a till that is gone does not say so
 * again.
 *
 * ```
 * bus ─▶ unread, the newest of each till ─▶ read ─▶ last state of each till ─▶ stored together ─▶ told
 *                                                            ▲ database away: wait, try again │
 *                                                            └── it refuses one: each alone ──┘
 * ```
 */
export class TillStates implements Closable {
  readonly #ports: TillStatesPorts;
  /** By topic. */
  readonly #unread = new Map<string, Uint8Array[]>();
  #unreadBytes = 0;
  readonly #waiting = new Map<string, TillState>();
  #cancel: (() => void) | undefined;
  #storing: Promise<void> | undefined;
  readonly #closing = new AbortController();

  constructor(ports: TillStatesPorts) {
    this.#ports = ports;
  }

  /** Takes note of a state; it is read and stored later. */
  offer(topic: string, payload: Uint8Array): void {
    // MQTT 3.1.1, 3.3.1.3: an empty retained message only deletes.
    if (this.#closing.signal.aborted || payload.length === 0) return;
    const unread = this.#unread.get(topic) ?? [];
    if (
      payload.length > STATE_LIMITS.bytes ||
      this.#unreadBytes + payload.length > BYTES_MAX ||
      (unread.length === 0 && this.#unread.size >= TILLS_MAX)
    ) {
      const till = this.#ports.topics.tillOf(topic);
      this.#ports.log.warn({ event: 'state.message_dropped', till, bytes: payload.length });
      return;
    }
    if (unread.length >= UNREAD_OF_TILL_MAX) this.#unreadBytes -= unread.shift()?.length ?? 0;
    unread.push(payload);
    this.#unreadBytes += payload.length;
    this.#unread.set(topic, unread);
    this.#gather();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancel?.();
    await this.#storing;
  }

  #gather(): void {
    if (this.#storing !== undefined) return;
    this.#cancel ??= this.#ports.clock.schedule(GATHER_MS, () => {
      this.#cancel = undefined;
      this.#storing = this.#store()
        .catch((error: unknown) =>
          this.#ports.log.error({ event: 'state.store_failed', error: asError(error) }),
        )
        .finally(() => {
          this.#storing = undefined;
          if (this.#unread.size > 0 && !this.#closing.signal.aborted) this.#gather();
        });
    });
  }

  /** Stores what waits, however long the database is away; while closing it tries once. */
  async #store(): Promise<void> {
    const { clock, random, log, onStored } = this.#ports;
    const { signal } = this.#closing;
    await this.#read();
    for (let attempt = 0; this.#waiting.size > 0 && !(signal.aborted && attempt > 0);) {
      const states = [...this.#waiting.values()].slice(0, STORED_AT_ONCE);
      try {
        const stored = await this.#storeTogether(states);
        for (const { till } of states) this.#waiting.delete(till);
        onStored?.(stored);
        attempt = 0;
      } catch (error) {
        if (attempt === 0) log.warn({ event: 'state.store_failed', error: asError(error) });
        await sleep(clock, Math.round(retryDelayMs(RETRY, attempt, random)), signal).catch(() => {});
        attempt += 1;
        await this.#read();
      }
    }
  }

  /** Of what is unread the last state of each till waits to be stored then. */
  async #read(): Promise<void> {
    const { clock } = this.#ports;
    let sinceMs = clock.monotonicMs();
    for (const [topic, payloads] of this.#unread) {
      this.#unread.delete(topic);
      for (const payload of payloads) {
        this.#unreadBytes -= payload.length;
        const state = this.#decode(topic, payload);
        if (state === undefined) continue;
        const waiting = this.#waiting.get(state.till);
        if (waiting === undefined ? this.#waiting.size < TILLS_MAX : !isOutdated(state, waiting))
          this.#waiting.set(state.till, state);
      }
      if (clock.monotonicMs() - sinceMs < READING_SLICE_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#closing.signal.aborted) return;
      sinceMs = clock.monotonicMs();
    }
  }

  #decode(topic: string, payload: Uint8Array): TillState | undefined {
    const { topics, log } = this.#ports;
    try {
      const state = decode(payload, TillState, STATE_LIMITS);
      assertOwnTopic(topics, topic, state.till);
      assertStorable(state);
      return state;
    } catch (error) {
      const code = isFault(error) ? error.code : undefined;
      log.warn({ event: 'state.message_dropped', till: topics.tillOf(topic), code, error: asError(error) });
      return undefined;
    }
  }

  /** @returns those that were stored: what the database refuses is told of, and keeps no other from being stored */
  async #storeTogether(states: readonly TillState[]): Promise<readonly TillState[]> {
    const { database, clock, log } = this.#ports;
    try {
      await storeStates(database.db, states, clock.now());
      return states;
    } catch (error) {
      if (!isRefusedValue(error)) throw error;
      const [first, ...others] = states;
      if (first === undefined || others.length > 0) {
        const stored: TillState[] = [];
        for (const state of states) stored.push(...(await this.#storeTogether([state])));
        return stored;
      }
      log.error({ event: 'state.refused', till: first.till, sqlState: databaseCodeOf(error) });
      return [];
    }
  }
}

/**
 * PostgreSQL knows no text with NUL or half a surrogate pair (8.3, 8.14), and one such state would fail with all others.
 * @throws StammkundeError WIRE_MALFORMED
 */
function assertStorable({ version, health }: TillState): void {
  const texts = [version, ...(health?.readers ?? []).flatMap(({ id, status }) => [id, status])];
  if (texts.some((text) => text.includes('\0') || !text.isWellFormed())) {
    throw new StammkundeError('WIRE_MALFORMED', 'a state cannot be stored as it is');
  }
}

/** Whether a till said more since. The end of a session is its last word, in whatever order several servers hear it. */
function isOutdated(state: TillState, known: TillState): boolean {
  if (state.incarnation !== known.incarnation) return false;
  return state.session < known.session || (state.session === known.session && state.online && !known.online);
}

async function storeStates(db: Queries, states: readonly TillState[], now: number): Promise<void> {
  if (states.length === 0) return;
  await sql`
    insert into till_state as s (till, incarnation, session, online, at, version, health, received_at)
    select till, incarnation, session, online, at, version, health::jsonb, ${now}::bigint from unnest(
      ${states.map(({ till }) => till)}::text[], ${states.map(({ incarnation }) => incarnation)}::uuid[],
      ${states.map(({ session }) => session)}::bigint[], ${states.map(({ online }) => online)}::boolean[],
      ${states.map(({ at }) => at)}::bigint[], ${states.map(({ version }) => version)}::text[],
      ${states.map(({ health }) => (health === undefined ? null : JSON.stringify(health)))}::text[]
    ) as n(till, incarnation, session, online, at, version, health)
    on conflict (till) do update set incarnation = excluded.incarnation, session = excluded.session,
      online = excluded.online, at = excluded.at, version = excluded.version,
      health = coalesce(excluded.health, s.health), received_at = excluded.received_at
    where s.incarnation <> excluded.incarnation or s.session < excluded.session
      or (s.session = excluded.session and s.online
          and (not excluded.online or s.at <= excluded.at
               or s.received_at < excluded.received_at - ${REORDERED_WITHIN_MS})
          and (s.online, s.at, s.health)
          is distinct from (excluded.online, excluded.at, coalesce(excluded.health, s.health)))`.execute(db);
}

export interface TillReport {
  readonly till: string;
  readonly incarnation: string;
  readonly online: boolean;
  readonly at: number;
  readonly version: string;
  readonly health: object | null;
  readonly receivedAt: number;
}

/** The last state of every till, by name. */
export async function readTillStates(db: Queries): Promise<readonly TillReport[]> {
  return db
    .selectFrom('till_state')
    .select(['till', 'incarnation', 'online', 'at', 'version', 'health', 'received_at as receivedAt'])
    .orderBy('till')
    .execute();
}
