import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Clock } from '../foundation/clock.ts';
import { asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';

export interface DeviceArrivalsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Devices came or went, or the machine has slept. It must only enqueue. */
  readonly onChange: () => void;
  /** Where device nodes appear. */
  readonly folder?: string;
}

/** Nodes come in bursts, hidraw before ttyACM before its name in serial/by-id; they are told of once. */
const DEBOUNCE_MS = 300;
/** Some kernels and containers tell nothing of /dev; then this is what finds a device. */
const POLL_MS = 5_000;
/** A wait took this much longer than it should, or the wall clock went on this much longer than the monotonic one. */
const SLEPT_MS = 10_000;
/** What readers appear as: HID, USB serial, on-board serial. All else in /dev comes and goes without meaning. */
const READER_NODE = /^(?:hidraw\d+|tty(?:USB|ACM|S|AMA)\d+|cu\..+)$/;

/**
 * Tells that readers may have been plugged in or out: the file system's notice at once, a look every five seconds for
 * where there is none. It does not say which; whoever waits for a device looks for it by what it says of itself.
 *
 *   /dev changes ──┐
 *   names differ ──┼─► 300 ms of quiet ─► onChange
 *   clock jumped ──┘
 */
export class DeviceArrivals implements Closable {
  readonly #options: DeviceArrivalsOptions;
  readonly #folder: string;
  #watcher: FSWatcher | undefined;
  #cancelPoll: () => void = () => {};
  #cancelTelling: (() => void) | undefined;
  #names: string | undefined;
  #aheadMs: number;
  #waitsSinceMs = 0;
  #closed = false;

  private constructor(options: DeviceArrivalsOptions) {
    this.#options = options;
    this.#folder = options.folder ?? '/dev';
    this.#aheadMs = options.clock.now() - options.clock.monotonicMs();
  }

  /** Never throws: without a folder to watch it only notices that the machine slept. */
  static async open(options: DeviceArrivalsOptions): Promise<DeviceArrivals> {
    const arrivals = new DeviceArrivals(options);
    arrivals.#names = await arrivals.#readerNodes();
    arrivals.#watch();
    arrivals.#pollLater();
    return arrivals;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher?.close();
    this.#cancelPoll();
    this.#cancelTelling?.();
  }

  #watch(): void {
    const { log } = this.#options;
    try {
      this.#watcher = watch(this.#folder, { persistent: false }, (_kind, name) => {
        if (name === null || READER_NODE.test(name)) this.#changed();
      });
      this.#watcher.on('error', (error) => {
        log.warn({ event: 'readers.watch-ended', error });
        this.#watcher?.close();
      });
    } catch (error) {
      log.debug({ event: 'readers.watch-absent', error: asError(error) });
    }
  }

  #pollLater(): void {
    const { clock } = this.#options;
    this.#waitsSinceMs = clock.monotonicMs();
    this.#cancelPoll = clock.schedule(POLL_MS, () => void this.#poll()); // never rejects
  }

  async #poll(): Promise<void> {
    const lateMs = this.#options.clock.monotonicMs() - this.#waitsSinceMs - POLL_MS;
    const names = await this.#readerNodes();
    if (this.#closed) return;
    if (names !== this.#names) this.#changed();
    this.#names = names;
    const { clock, log } = this.#options;
    const aheadMs = clock.now() - clock.monotonicMs();
    const sleptMs = Math.max(lateMs, aheadMs - this.#aheadMs);
    if (sleptMs > SLEPT_MS) {
      log.info({ event: 'readers.machine-slept', ms: Math.round(sleptMs) });
      this.#changed();
    }
    this.#aheadMs = aheadMs;
    this.#pollLater();
  }

  async #readerNodes(): Promise<string | undefined> {
    try {
      return (await readdir(this.#folder))
        .filter((name) => READER_NODE.test(name))
        .toSorted()
        .join('\n');
    } catch {
      return undefined; // no such folder on this operating system
    }
  }

  #changed(): void {
    this.#cancelTelling ??= this.#options.clock.schedule(DEBOUNCE_MS, () => {
      this.#cancelTelling = undefined;
      this.#options.onChange();
    });
  }
}
