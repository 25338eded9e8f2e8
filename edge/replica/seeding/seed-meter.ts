import type { Clock } from '../../../foundation/clock.ts';
import type { SnapshotChunk } from '../../../sync/contract/snapshot.ts';

/** `waiting`: for the server to make it, or for the network. */
export type SeedPhase = 'asking' | 'waiting' | 'loading' | 'checking' | 'loaded';

/** How far a loading is, for the display and for IT. */
export interface SeedEvent {
  readonly phase: SeedPhase;
  readonly chunksDone: number;
  readonly chunksTotal: number;
  readonly documents: number;
  readonly documentsTotal: number;
  /** Of compressed chunks that are loaded. */
  readonly bytes: number;
  readonly bytesTotal: number;
  /** Documents a second, over the last seconds; 0 while nothing is written. */
  readonly ratePerSecond: number;
}

/** At most so often. */
const EVERY_MS = 250;
/** The rate is that of about so long. */
const RATE_MS = 2_000;

/** Counts what is loaded, and tells of it now and then. */
export class SeedMeter {
  readonly #clock: Clock;
  readonly #onProgress: (event: SeedEvent) => void;
  #event: SeedEvent = {
    phase: 'asking',
    chunksDone: 0,
    chunksTotal: 0,
    documents: 0,
    documentsTotal: 0,
    bytes: 0,
    bytesTotal: 0,
    ratePerSecond: 0,
  };
  #toldAtMs = -Infinity;
  #window: { readonly atMs: number; readonly documents: number };

  constructor(clock: Clock, onProgress: (event: SeedEvent) => void) {
    this.#clock = clock;
    this.#onProgress = onProgress;
    this.#window = { atMs: clock.monotonicMs(), documents: 0 };
  }

  get totals(): Pick<SeedEvent, 'chunksDone' | 'documents' | 'bytes'> {
    const { chunksDone, documents, bytes } = this.#event;
    return { chunksDone, documents, bytes };
  }

  phase(phase: SeedPhase): void {
    if (phase === this.#event.phase) return;
    this.#tell({ ...this.#event, phase, ratePerSecond: 0 });
  }

  /** Loading begins, or goes on. */
  begin(
    chunks: readonly SnapshotChunk[],
    isDone: (chunk: SnapshotChunk, number: number) => boolean,
    documentsOfNext: number,
  ): void {
    const done = chunks.filter(isDone);
    const documents = sum(done, 'documents') + documentsOfNext;
    this.#window = { atMs: this.#clock.monotonicMs(), documents };
    this.#tell({
      phase: 'loading',
      chunksDone: done.length,
      chunksTotal: chunks.length,
      documents,
      documentsTotal: sum(chunks, 'documents'),
      bytes: sum(done, 'bytes'),
      bytesTotal: sum(chunks, 'bytes'),
      ratePerSecond: 0,
    });
  }

  /** Some documents are loaded, and with them a chunk is whole, if one is given. */
  loaded(documents: number, whole: SnapshotChunk | undefined): void {
    const before = this.#event;
    this.#event = {
      ...before,
      documents: before.documents + documents,
      chunksDone: before.chunksDone + (whole === undefined ? 0 : 1),
      bytes: before.bytes + (whole?.bytes ?? 0),
    };
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldAtMs < EVERY_MS) return;
    const elapsedMs = nowMs - this.#window.atMs;
    const ratePerSecond =
      elapsedMs <= 0 ? 0 : Math.round(((this.#event.documents - this.#window.documents) * 1_000) / elapsedMs);
    if (elapsedMs > RATE_MS) this.#window = { atMs: nowMs, documents: this.#event.documents };
    this.#tell({ ...this.#event, phase: 'loading', ratePerSecond });
  }

  #tell(event: SeedEvent): void {
    this.#event = event;
    this.#toldAtMs = this.#clock.monotonicMs();
    this.#onProgress(event);
  }
}

function sum(chunks: readonly SnapshotChunk[], field: 'documents' | 'bytes'): number {
  return chunks.reduce((total, chunk) => total + chunk[field], 0);
}
