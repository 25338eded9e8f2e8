import { sql } from 'kysely';
import type { Clock } from '../../foundation/clock.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import { TillState } from '../../sync/contract/messages.ts';
import type { Topics } from '../../sync/contract/topics.ts';
import { decode } from '../../sync/contract/wire.ts';
import type { Database, Queries } from '../database/database.ts';
import { assertOwnTopic } from './journal-message.ts';

/** Tills whose state waits to be stored; of each only the latest counts. */
const WAITING_MAX = 20_000;
/** States that arrive within this time are stored together. */
const GATHER_MS = 100;

export interface TillStatesPorts {
  readonly database: Database;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of states once they are stored; only takes note. */
  readonly onStored?: (states: readonly TillState[]) => void;
}

/** Keeps the last state each till reported. What is lost here comes again with the till's next state. */
export class TillStates implements Closable {
  readonly #ports: TillStatesPorts;
  readonly #waiting = new Map<string, TillState>();
  #cancel: (() => void) | undefined;
  #storing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(ports: TillStatesPorts) {
    this.#ports = ports;
  }

  /** Takes note of a state; it is stored later. */
  offer(topic: string, payload: Uint8Array): void {
    // MQTT 3.1.1, 3.3.1.3: an empty retained message only deletes.
    if (this.#closed || payload.length === 0) return;
    try {
      const state = decode(payload, TillState);
      assertOwnTopic(this.#ports.topics, topic, state.till);
      const waiting = this.#waiting.get(state.till);
      if (
        (waiting !== undefined && isOutdated(state, waiting)) ||
        (waiting === undefined && this.#waiting.size >= WAITING_MAX)
      )
        return;
      this.#waiting.set(state.till, state);
    } catch (error) {
      const till = this.#ports.topics.tillOf(topic);
      const code = isFault(error) ? error.code : undefined;
      this.#ports.log.warn({ event: 'state.message_dropped', till, code, error: asError(error) });
      return;
    }
    this.#cancel ??= this.#ports.clock.schedule(GATHER_MS, () => this.#store());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    await this.#storing;
  }

  #store(): void {
    this.#cancel = undefined;
    const states = [...this.#waiting.values()];
    this.#waiting.clear();
    const { database, clock, log, onStored } = this.#ports;
    this.#storing = this.#storing
      .then(async () => {
        await storeStates(database.db, states, clock.now());
        onStored?.(states);
      })
      .catch((error: unknown) => log.warn({ event: 'state.store_failed', error: asError(error) }));
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
      or (s.session = excluded.session and s.online and (s.online, s.at, s.health)
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
