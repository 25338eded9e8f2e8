import { hash } from 'node:crypto';
import type { Clock } from '../foundation/clock.ts';
import { abortReason, sleep } from '../foundation/clock.ts';
import { StammkundeError, asError, isFault } from '../foundation/errors.ts';
import type { Log } from '../foundation/log.ts';
import type { Random } from '../foundation/random.ts';
import { retryDelayMs } from '../foundation/retry-schedule.ts';
import type { Answer, Question } from './contract/messages.ts';
import { CHUNK_SLICE_BYTES_MAX } from './contract/snapshot.ts';
import type { SnapshotChunk, SnapshotDownload, SnapshotOfferAnswer } from './contract/snapshot.ts';
import { downloadRest } from './snapshot-download.ts';
import type { Fetch } from './snapshot-download.ts';

/** How the server is asked: a `RequestClient`, or whoever passes on to one. */
export interface SnapshotQuestions {
  ask<K extends 'snapshot.offer' | 'snapshot.chunk'>(question: Question<K>): Promise<Answer<K>>;
}

/** What a chunk must be. */
export type ChunkName = Pick<SnapshotChunk, 'sha256' | 'bytes'>;

type Way = 'http' | 'mqtt';

/** Between attempts that brought nothing. */
const RETRY = { firstMs: 200, maxMs: 5_000 } as const;
/** Attempts one after the other that brought nothing, before the chunk is given up; whoever asked asks again. */
const FAILURES_MAX = 6;
/** Of those, by HTTP, before the chunk is fetched in MQTT messages. */
const HTTP_FAILURES_MAX = 2;
/** How long HTTP is left alone after it failed. */
const HTTP_REST_MS = 60_000;
/** How often a chunk with a wrong hash is fetched each way. */
const WRONG_MAX = 2;
/** An offer is good for so long: its ticket for an hour, its chunks for some. */
const RENEW_MS = 45 * 60_000;
/** Slices asked for at once in MQTT messages: few, for other questions must come through. */
const SLICES_AT_ONCE = 2;

/**
 * Fetches snapshots: their manifest by a question, their chunks by HTTP where the server offers that and it can be
 * reached, else in MQTT messages. Whatever way its bytes came, a chunk is what its SHA-256 in the signed manifest says,
 * so nothing else about the download needs to be believed.
 */
export class SnapshotClient {
  readonly #questions: SnapshotQuestions;
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  #download: SnapshotDownload | undefined;
  #renewAtMs = Infinity;
  #httpRestsUntilMs = -Infinity;
  #received = 0;

  constructor(options: {
    readonly questions: SnapshotQuestions;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly fetch?: Fetch;
  }) {
    this.#questions = options.questions;
    this.#fetch = options.fetch ?? fetch;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
  }

  /** Bytes of chunks that came so far, those that had to come again included. */
  get receivedBytes(): number {
    return this.#received;
  }

  /**
   * The offer should be asked for again: its ticket ends soon, and the server keeps the chunks for those who ask. Told by
   * this machine's own running, for its wall clock may be wrong.
   */
  get isOfferOld(): boolean {
    return this.#clock.monotonicMs() >= this.#renewAtMs;
  }

  /**
   * Asks for a snapshot.
   * @param have the manifest that is being loaded, if one is
   * @throws StammkundeError BUS_UNREACHABLE · BUS_TIMEOUT · the code the server refuses with
   */
  async offer(have: string | null): Promise<SnapshotOfferAnswer> {
    const answer = await this.#questions.ask({ kind: 'snapshot.offer', have });
    this.#download = answer.offer === 'ready' ? (answer.http ?? undefined) : undefined;
    this.#renewAtMs = this.#clock.monotonicMs() + RENEW_MS;
    return answer;
  }

  /**
   * The bytes of a chunk, as its name says they are. They are kept in memory alone; what came before a broken
   * connection is not asked for again.
   * @throws StammkundeError REP_CHUNK_GONE · REP_CHUNK_WRONG when it was wrong every way · BUS_UNREACHABLE ·
   *   BUS_TIMEOUT when nothing came for several attempts; the signal's reason
   */
  async chunk(chunk: ChunkName, signal: AbortSignal): Promise<Buffer> {
    const wrong: Record<Way, number> = { http: 0, mqtt: 0 };
    for (;;) {
      const { bytes, lastWay } = await this.#fetchWhole(chunk, wrong.http < WRONG_MAX, signal);
      if (hash('sha256', bytes) === chunk.sha256) return bytes;
      wrong[lastWay] += 1;
      this.#log.warn({ event: 'snapshot.chunk_wrong', way: lastWay, sha256: chunk.sha256 });
      if (wrong.mqtt >= WRONG_MAX) {
        throw new StammkundeError('REP_CHUNK_WRONG', `chunk ${chunk.sha256} is not what its name says`);
      }
    }
  }

  async #fetchWhole(
    chunk: ChunkName,
    httpAllowed: boolean,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: Buffer; readonly lastWay: Way }> {
    const bytes = Buffer.alloc(chunk.bytes);
    let received = 0;
    let lastWay: Way = 'mqtt';
    const take = (offset: number, piece: Uint8Array): void => {
      bytes.set(piece, offset);
      received = offset + piece.length;
      this.#received += piece.length;
    };
    for (let failures = 0; received < chunk.bytes;) {
      if (signal.aborted) throw abortReason(signal);
      const before = received;
      const download = httpAllowed && this.#mayUseHttp() ? this.#download : undefined;
      lastWay = download === undefined ? 'mqtt' : 'http';
      try {
        if (download === undefined) await this.#ask(chunk, received, take, signal);
        else {
          await downloadRest(
            { url: `${download.url}/v1/snapshots/chunks/${chunk.sha256}`, ticket: download.ticket },
            { chunk, received, take, fetch: this.#fetch, clock: this.#clock, signal },
          );
        }
        failures = 0;
      } catch (error) {
        if (signal.aborted) throw abortReason(signal);
        if (isFault(error, 'REP_CHUNK_GONE')) throw error;
        // Who says what cannot be is not believed for the bytes before either; and it must not count as progress.
        if (isFault(error, 'WIRE_MALFORMED')) received = 0;
        failures = received > before ? 0 : failures + 1;
        this.#log.debug({
          event: 'snapshot.chunk_interrupted',
          way: lastWay,
          received,
          failures,
          error: asError(error),
        });
        if (lastWay === 'http' && (failures >= HTTP_FAILURES_MAX || isFault(error, 'API_UNAUTHORISED'))) {
          this.#httpRestsUntilMs = this.#clock.monotonicMs() + HTTP_REST_MS;
          continue;
        }
        if (failures >= FAILURES_MAX) throw error;
        await sleep(this.#clock, retryDelayMs(RETRY, failures, this.#random), signal);
      }
    }
    return { bytes, lastWay };
  }

  /** Some slices more, in MQTT messages. */
  async #ask(
    chunk: ChunkName,
    received: number,
    take: (offset: number, piece: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const offsets = Array.from(
      { length: SLICES_AT_ONCE },
      (_, n) => received + n * CHUNK_SLICE_BYTES_MAX,
    ).filter((offset) => offset < chunk.bytes);
    const slices = offsets.map(async (offset) => {
      const length = Math.min(CHUNK_SLICE_BYTES_MAX, chunk.bytes - offset);
      const answer = await this.#questions.ask({
        kind: 'snapshot.chunk',
        sha256: chunk.sha256,
        offset,
        length,
      });
      const bytes = Buffer.from(answer.bytes, 'base64');
      if (answer.total !== chunk.bytes || bytes.length !== length) {
        throw new StammkundeError('WIRE_MALFORMED', `a slice of chunk ${chunk.sha256} has another length`);
      }
      return bytes;
    });
    const settled = await Promise.allSettled(slices);
    if (signal.aborted) throw abortReason(signal);
    for (const [n, slice] of settled.entries()) {
      // What follows a slice that failed is asked for again: the bytes are kept without holes.
      if (slice.status === 'rejected') throw asError(slice.reason);
      take(offsets[n] ?? received, slice.value);
    }
  }

  #mayUseHttp(): boolean {
    return this.#download !== undefined && this.#clock.monotonicMs() >= this.#httpRestsUntilMs;
  }
}
