import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { serialTransport } from '../../drivers/transport/serial.ts';
import { SystemClock, sleep } from '../../foundation/clock.ts';
import type { Clock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { gs1CheckDigit } from '../../foundation/check-digit.ts';
import { scannerFrame } from '../../simulator/readers/virtual-scanner.ts';
import { VirtualSerialScanner } from '../../simulator/readers/virtual-serial-scanner.ts';
import { waitUntil } from '../../simulator/wait-until.ts';
import { TillFolder } from '../edge/till-folder.ts';
import { projectFile } from '../support/run-program.ts';
import { percentiles, round } from './percentiles.ts';
import { table } from './table.ts';

/** Scans before anything counts. */
const WARM_UP_SCANS = 200;
/** The two are measured in turns, so that what else the machine does falls on both. */
const ROUNDS = 10;
/** Rest between two scans, ms. */
const GAP_MS = 3;
const START_DEADLINE_MS = 30_000;
const SCAN_DEADLINE_MS = 5_000;
/** What the shared reader must keep to, ms. */
const P99_MAX_MS = 2;

/**
 * How long a product takes from the scanner's last byte to the POS on the virtual serial port, with no server to be
 * reached.
 *
 * ```
 *   this process                                     a process of its own
 *   scanner ──last byte──► pty ──► till daemon: frame ─► scan ─► recognised ─► pty ──► POS (this process)
 *      t0      floor:  pty ──► relay: nothing but the same libraries ─────────► pty ──► POS   t1
 * ```
 *
 * `ratioP99`: p99 of the daemon over p99 of the relay, measured in turns within one run.
 */
export async function passThroughBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { scans: { type: 'string', default: '2000' }, json: { type: 'boolean', default: false } },
  });
  const scans = Number(values.scans);
  const clock = new SystemClock();
  const opened = new Opened();
  try {
    using folder = new TillFolder(1);
    const till = opened.add(await WayToPos.open(folder, 'till', clock));
    const relay = opened.add(await WayToPos.open(folder, 'relay', clock));
    process.stderr.write(`passing ${scans} products through the till and through the relay, in turns …\n`);
    await till.measure(WARM_UP_SCANS);
    await relay.measure(WARM_UP_SCANS);
    const tillMs: number[] = [];
    const floorMs: number[] = [];
    for (let i = 0; i < ROUNDS; i += 1) {
      tillMs.push(...(await till.measure(Math.ceil(scans / ROUNDS))));
      floorMs.push(...(await relay.measure(Math.ceil(scans / ROUNDS))));
    }
    const report = {
      bench: 'pass-through',
      scans: tillMs.length,
      till: percentiles(tillMs),
      floor: percentiles(floorMs),
    };
    const ratioP50 = round(report.till.p50Ms / report.floor.p50Ms);
    const ratioP99 = round(report.till.p99Ms / report.floor.p99Ms);
    const row = (label: string, of: typeof report.till): string[] => [
      label,
      of.p50Ms.toFixed(3),
      of.p99Ms.toFixed(3),
      of.p999Ms.toFixed(3),
    ];
    const lines = [
      ...table([
        ['last byte on the reader’s pty → POS on the virtual port; ms', 'p50', 'p99', 'p99.9'],
        row('through the till, without a server', report.till),
        row('floor: a relay of the same libraries', report.floor),
      ]),
      '',
      `till / floor, medians ${ratioP50}, p99 ${ratioP99}; p99 within ${P99_MAX_MS} ms: ${report.till.p99Ms <= P99_MAX_MS ? 'yes' : 'no'}`,
      '',
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
    if (values.json) process.stdout.write(`${JSON.stringify({ ...report, ratioP50, ratioP99 })}\n`);
  } finally {
    await opened.close();
  }
}

/** A scanner at one end, a POS at the other, and a process in between. */
class WayToPos implements Closable {
  readonly #clock: Clock;
  readonly #opened: Opened;
  readonly #scanner: VirtualSerialScanner;
  #text = '';
  #arrived: (() => void) | undefined;
  #expected = '';
  #n = 0;

  private constructor(clock: Clock, scanner: VirtualSerialScanner, opened: Opened) {
    this.#clock = clock;
    this.#scanner = scanner;
    this.#opened = opened;
  }

  static async open(folder: TillFolder, through: 'till' | 'relay', clock: Clock): Promise<WayToPos> {
    const opened = new Opened();
    try {
      const from = join(folder.path, `${through}-reader`);
      const to = join(folder.path, `${through}-pos`);
      const scanner = opened.add(await VirtualSerialScanner.open(from));
      const child = spawn(
        process.execPath,
        through === 'till' ? tillArgs(folder, from, to) : relayArgs(from, to),
        {
          stdio: ['ignore', 'ignore', 'inherit'],
        },
      );
      const ended = new Promise((resolve) => child.once('close', resolve));
      opened.defer(async () => {
        child.kill('SIGTERM');
        await ended;
      });
      const way = new WayToPos(clock, scanner, opened);
      const patience = { clock, deadlineMs: START_DEADLINE_MS, everyMs: 50 };
      const pos = await waitUntil(() => way.#openPos(to), {
        ...patience,
        what: `the port of the ${through}`,
      });
      opened.add(pos);
      await waitUntil(() => way.#once(200), { ...patience, what: `a scan through the ${through}` });
      return way;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** The duration of each scan, ms. */
  async measure(scans: number): Promise<number[]> {
    const durationsMs: number[] = [];
    for (let i = 0; i < scans; i += 1) {
      await sleep(this.#clock, GAP_MS);
      const durationMs = await this.#once(SCAN_DEADLINE_MS);
      if (durationMs === undefined) throw new Error('a product did not reach the POS');
      durationsMs.push(durationMs);
    }
    return durationsMs;
  }

  close(): Promise<void> {
    return this.#opened.close();
  }

  #openPos(path: string): Promise<Closable> {
    return serialTransport({ path, baudRate: 9600, dataBits: 8, stopBits: 1, parity: 'none', rtscts: false })(
      {
        clock: this.#clock,
        signal: new AbortController().signal,
        onBytes: (chunk) => {
          this.#text += Buffer.from(chunk).toString('latin1');
          if (this.#text.endsWith(this.#expected)) this.#arrived?.();
        },
        onLost: () => {},
      },
    );
  }

  /** Each product once, for the same one again at once would be the same pull of the trigger. */
  async #once(deadlineMs: number): Promise<number | undefined> {
    this.#n += 1;
    const digits = `400${String(this.#n).padStart(9, '0')}`;
    const bytes = scannerFrame(']E0', `${digits}${gs1CheckDigit(digits)}`);
    this.#text = '';
    this.#expected = Buffer.from(bytes).toString('latin1');
    const arrived = new Promise<number>((resolve) => {
      this.#arrived = () => resolve(this.#clock.monotonicMs());
    });
    const given = new AbortController();
    const startedMs = this.#clock.monotonicMs();
    const sent = this.#scanner.send(bytes);
    const late = sleep(this.#clock, deadlineMs, given.signal).then(
      () => undefined,
      () => undefined,
    );
    const arrivedMs = await Promise.race([arrived, late]);
    given.abort();
    await sent;
    return arrivedMs === undefined ? undefined : arrivedMs - startedMs;
  }
}

function relayArgs(from: string, to: string): string[] {
  return [projectFile('test/bench/relay-main.ts'), from, to];
}

function tillArgs(folder: TillFolder, from: string, to: string): string[] {
  const config = folder.file('till.yaml');
  const readers = `readers:\n  - { id: counter, kind: serial, path: ${from} }\n`;
  const passThrough = `passThrough:\n  outputs:\n    - { id: pos, kind: pty, path: ${to} }\n`;
  const yaml = folder
    .yaml()
    .replace(/readers:\n {2}- .*\n/, readers)
    .replace('logLevel: info', 'logLevel: error');
  writeFileSync(config, `${yaml}\n${passThrough}`);
  return [projectFile('edge/main.ts'), '--config', config];
}
