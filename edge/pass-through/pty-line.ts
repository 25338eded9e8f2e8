import { openPty } from '../../drivers/transport/pty.ts';
import type { Pty, PtyAccess } from '../../drivers/transport/pty.ts';
import { abortReason } from '../../foundation/clock.ts';
import { asError, StammkundeError } from '../../foundation/errors.ts';
import type { Line, LinePorts, OpenLine } from './line.ts';

/** How long to leave a full terminal to its reader, ms. */
const FULL_WAIT_MS = 2;
/** Bytes written this long ago have reached the reader's queue, ms; the kernel moves them by a worker of its own. */
const SETTLED_MS = 20;

/** Scans that are looked after at once. */
const SENT_MAX = 1_024;

/** The terminal as it is needed here. */
export type LinePty = Pick<Pty, 'writeNow' | 'takeBack' | 'close'>;

/**
 * A virtual serial port for the POS.
 *
 * A terminal keeps what nobody reads and hands it to whoever opens it next, minutes later: a product of one customer would
 * be rung up for another. Nothing tells whether somebody has it open, so what was sent is looked after once it is old:
 *
 * ```
 *   scan ─▶ terminal's queue ─▶ POS
 *                  └─ still there after maxAgeMs ─▶ all of it is taken back ─┬─ old ─▶ dropped and counted
 *                                                                            └─ young, or half read ─▶ put back
 * ```
 */
export function ptyLine(output: { readonly path: string; readonly access: PtyAccess }): OpenLine {
  return async (ports) => {
    if (ports.signal.aborted) throw abortReason(ports.signal);
    if (process.platform === 'win32') {
      throw new StammkundeError('PASS_UNSUPPORTED', 'Windows has no pseudo-terminals');
    }
    try {
      return new PtyLine(await openPty({ link: output.path, access: output.access }), ports);
    } catch (error) {
      throw new StammkundeError('PASS_PATH_DENIED', `${output.path} cannot be made`, { cause: error });
    }
  };
}

/** One scan on its way. */
interface Sent {
  readonly atMs: number;
  /** What the terminal has not taken yet. */
  rest: Uint8Array;
  /** Bytes the terminal has taken and that may wait there for their reader. */
  held: number;
  /** True once the POS has read a part of it: what is left belongs to that part. */
  begun: boolean;
}

/** Exported for tests with a terminal that tells what it holds. */
export class PtyLine implements Line {
  readonly #pty: LinePty;
  readonly #ports: LinePorts;
  /** In the order in which they were sent; all but the last few are wholly in the terminal. */
  #sent: Sent[] = [];
  #lastWriteMs = 0;
  #unread = false;
  #cancelPump: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;
  #closed = false;

  constructor(pty: LinePty, ports: LinePorts) {
    this.#pty = pty;
    this.#ports = ports;
  }

  /** Zero when the last scan was not read; else it is not known who does. */
  get receivers(): number | null {
    return this.#unread ? 0 : null;
  }

  send(bytes: Uint8Array): 'taken' | 'busy' {
    if (this.#closed || this.#isBlocked() || this.#sent.length >= SENT_MAX) return 'busy';
    this.#sent.push({ atMs: this.#ports.clock.monotonicMs(), rest: bytes, held: 0, begun: false });
    this.#pump();
    this.#lookLater();
    return 'taken';
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelPump?.();
    this.#cancelLook?.();
    await this.#pty.close();
  }

  #isBlocked(): boolean {
    const last = this.#sent.at(-1);
    return last !== undefined && last.rest.length > 0;
  }

  /** Hands over what the terminal has room for. */
  #pump(): void {
    for (const scan of this.#sent) {
      if (scan.rest.length === 0) continue;
      const taken = this.#guarded(() => this.#pty.writeNow(scan.rest)) ?? 0;
      if (taken > 0) this.#lastWriteMs = this.#ports.clock.monotonicMs();
      scan.rest = scan.rest.subarray(taken);
      scan.held += taken;
      if (scan.rest.length === 0) continue;
      if (!this.#closed) this.#pumpLater();
      return;
    }
  }

  #pumpLater(): void {
    this.#cancelPump ??= this.#ports.clock.schedule(FULL_WAIT_MS, () => {
      this.#cancelPump = undefined;
      this.#pump();
      if (!this.#isBlocked()) this.#ports.onReady();
    });
  }

  #lookLater(): void {
    const [oldest] = this.#sent;
    if (oldest === undefined || this.#closed) return;
    const { clock, maxAgeMs } = this.#ports;
    const dueMs = Math.max(oldest.atMs + maxAgeMs, this.#lastWriteMs + SETTLED_MS);
    this.#cancelLook ??= clock.schedule(Math.max(SETTLED_MS, dueMs - clock.monotonicMs()), () => {
      this.#cancelLook = undefined;
      if (clock.monotonicMs() - this.#lastWriteMs >= SETTLED_MS) this.#look();
      this.#lookLater();
    });
  }

  /** Takes back what nobody has read, and puts back what may still be. */
  #look(): void {
    const unread = this.#guarded(() => this.#pty.takeBack());
    if (unread === undefined) return;
    this.#unread = unread.length > 0;
    let read = this.#sent.reduce((sum, scan) => sum + scan.held, 0) - unread.length;
    let at = 0;
    let dropped = 0;
    const kept: Sent[] = [];
    const nowMs = this.#ports.clock.monotonicMs();
    for (const scan of this.#sent) {
      const readOfIt = Math.min(Math.max(read, 0), scan.held);
      read -= readOfIt;
      const left = scan.held - readOfIt;
      const rest = Buffer.concat([unread.subarray(at, at + left), scan.rest]);
      at += left;
      if (rest.length === 0) continue;
      const begun = scan.begun || readOfIt > 0;
      if (begun || nowMs - scan.atMs < this.#ports.maxAgeMs) kept.push({ ...scan, rest, held: 0, begun });
      else dropped += 1;
    }
    const wasBlocked = this.#isBlocked() || this.#sent.length >= SENT_MAX;
    // A scan half read is looked after again, but not at every moment.
    this.#sent = kept.map((scan) => (scan.begun ? { ...scan, atMs: Math.max(scan.atMs, nowMs) } : scan));
    this.#pump();
    if (dropped > 0) this.#ports.onTakenBack(dropped);
    if (wasBlocked && !this.#isBlocked()) this.#ports.onReady();
  }

  #guarded<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!this.#closed) {
        this.#closed = true;
        this.#ports.onLost(
          new StammkundeError('PASS_POS_ABSENT', 'the virtual serial port broke', { cause: asError(error) }),
        );
      }
      return undefined;
    }
  }
}
