import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../../foundation/clock.ts';
import { StammkundeError, asError } from '../../../foundation/errors.ts';
import { withDeadline } from '../../../foundation/deadline.ts';
import type { Log } from '../../../foundation/log.ts';
import type { ReplicaCollection } from '../../../sync/contract/replica-documents.ts';
import type { ReplicaSource } from '../feed-source.ts';
import type { OpenWriter, ReplicaWriter, ReseedReason, WriterListener } from '../replica-writer.ts';
import type { Answers, Ask, FromThread, ToThread } from './messages.ts';
import { fromThrown, toThrown } from './thrown.ts';

/** How long the thread may take to close its files before it is ended; what is committed is kept either way. */
const CLOSE_DEADLINE_MS = 5_000;
/** JavaScript memory of the thread, MiB. Beyond it the thread ends, and not the till. */
const MEMORY_MIB = 512;
/**
 * Of that, for what has just been made, MiB. Left to itself V8 lets it grow under a load of changes and keeps it: a till
 * of 20,000 customers had 439 MB after one, and 264 with a bound of 6. Of the time a snapshot takes to load, collecting
 * takes 11 % with 8 MiB, 8 % with 16 and 5 % with 32.
 */
const YOUNG_MEMORY_MIB = 16;

interface ThreadOptions {
  readonly memoryMib?: number;
  /** Told of each thread that is started; for tests that end one. */
  readonly onThread?: (thread: Worker) => void;
}

/**
 * A writer in a thread of its own: no transaction, checkpoint, loading or comparison holds up a lookup. It follows the
 * machine's own clock. The server is asked over the link of this thread.
 */
export function writerInThread(options: ThreadOptions = {}): OpenWriter {
  return async (start, ports) => {
    // A checkout runs the TypeScript, the published package its build.
    const program = new URL(`./writer-main${extname(import.meta.url)}`, import.meta.url);
    const thread = new Worker(program, {
      name: 'replica',
      // A copy: the clone of a view takes all of the memory it looks at along.
      workerData: { ...start, key: Uint8Array.from(start.key) },
      resourceLimits: {
        maxOldGenerationSizeMb: options.memoryMib ?? MEMORY_MIB,
        maxYoungGenerationSizeMb: YOUNG_MEMORY_MIB,
      },
    });
    options.onThread?.(thread);
    const writer = new ThreadWriter(thread, ports);
    try {
      await writer.opened;
      return writer;
    } catch (error) {
      await thread.terminate();
      throw error;
    }
  };
}

class ThreadWriter implements ReplicaWriter {
  /** Resolves when its files are open. */
  readonly opened: Promise<void>;
  readonly #thread: Worker;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listener: WriterListener;
  readonly #ended: Promise<void>;
  readonly #idle = new Map<number, () => void>();
  #asked = 0;
  #source: ReplicaSource | undefined;
  #closed: Promise<void> | undefined;
  #hasEnded = false;

  constructor(thread: Worker, ports: Parameters<OpenWriter>[1]) {
    this.#thread = thread;
    this.#clock = ports.clock;
    this.#log = ports.log;
    this.#listener = ports.listener;
    const opened = Promise.withResolvers<void>();
    this.opened = opened.promise;
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    let failure: Error | undefined;
    thread.on('error', (error: unknown) => (failure = asError(error)));
    thread.on('messageerror', (error) => (failure = error));
    thread.on('exit', (code) => {
      this.#hasEnded = true;
      for (const resolve of this.#idle.values()) resolve();
      this.#idle.clear();
      ended.resolve();
      const options = failure === undefined ? {} : { cause: failure };
      const error = new StammkundeError('REP_WRITER_LOST', `its thread ended with ${code}`, options);
      opened.reject(error);
      if (this.#closed === undefined) ports.onLost(error);
    });
    thread.on('message', (message: FromThread) => {
      switch (message.kind) {
        case 'opened':
          opened.resolve();
          break;
        case 'failed':
          // Its end is no loss: whoever opens it is told.
          this.#closed = this.#ended;
          opened.reject(fromThrown(message.error));
          break;
        case 'ask':
          void this.#answer(message.id, message.ask);
          break;
        case 'read-from':
          void this.#listener
            .readFrom(message.target)
            .catch((error: unknown) =>
              this.#log.error({ event: 'replica.read-from.failed', error: asError(error) }),
            )
            .then(() => this.#tell({ kind: 'reading', id: message.id }));
          break;
        case 'caught-up':
          this.#listener.onCaughtUp(message.collection, message.position, message.changed);
          break;
        case 'status':
          this.#listener.onStatus(message.status);
          break;
        case 'idle':
          this.#idle.get(message.id)?.();
          this.#idle.delete(message.id);
          break;
        case 'closed':
          break;
        case 'log':
          this.#writeLog(message);
          break;
      }
    });
  }

  follow(source: ReplicaSource): void {
    this.#source = source;
    this.#tell({
      kind: 'follow',
      compares: source.ranges !== undefined && source.bucket !== undefined,
      hasSnapshots: source.snapshots !== undefined,
    });
  }

  resync(collections?: readonly ReplicaCollection[]): void {
    this.#tell({ kind: 'resync', collections });
  }

  reseed(reason: ReseedReason): void {
    this.#tell({ kind: 'reseed', reason });
  }

  reportDamage(generation: number, error: Error): void {
    this.#tell({ kind: 'damage', generation, error: toThrown(error) });
  }

  idle(): Promise<void> {
    if (this.#hasEnded) return Promise.resolve();
    return new Promise((resolve) => {
      this.#asked += 1;
      this.#idle.set(this.#asked, resolve);
      this.#tell({ kind: 'idle', id: this.#asked });
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#tell({ kind: 'close' });
    try {
      await withDeadline(this.#ended, {
        clock: this.#clock,
        deadlineMs: CLOSE_DEADLINE_MS,
        code: 'REP_WRITER_LOST',
        what: 'closing the replica',
      });
    } finally {
      await this.#thread.terminate();
    }
  }

  #tell(message: ToThread): void {
    if (!this.#hasEnded) this.#thread.postMessage(message);
  }

  async #answer(id: number, ask: Ask): Promise<void> {
    try {
      this.#tell({ kind: 'answer', id, answer: await this.#ask(ask) });
    } catch (error) {
      this.#tell({ kind: 'refusal', id, error: toThrown(error) });
    }
  }

  async #ask(ask: Ask): Promise<Answers[keyof Answers]> {
    const source = this.#source;
    switch (ask.kind) {
      case 'pull':
        if (source === undefined) break;
        return source.pull(ask.collection, ask.after, ask.limit);
      case 'ranges':
        if (source?.ranges === undefined) break;
        return source.ranges(ask.collection, ask.at);
      case 'bucket':
        if (source?.bucket === undefined) break;
        return source.bucket(ask.collection, ask.bucket, ask.after, ask.limit);
      case 'snapshot':
        if (source?.snapshots === undefined) break;
        return source.snapshots.ask(ask.question);
    }
    throw new StammkundeError('BUS_UNREACHABLE', 'there is nobody to ask');
  }

  #writeLog({ level, fields }: Extract<FromThread, { kind: 'log' }>): void {
    const restored = Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, name === 'error' ? restoreError(value) : value]),
    );
    this.#log[level]({ ...restored, event: fields.event });
  }
}

function restoreError(value: unknown): unknown {
  const isThrown = typeof value === 'object' && value !== null && 'message' in value && 'stack' in value;
  // Only the thread's own log makes such objects, from errors.
  return isThrown ? fromThrown(value as Parameters<typeof fromThrown>[0]) : value;
}
