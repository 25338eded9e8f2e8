import type { Scan } from '../../drivers/driver.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import type { Frozen } from '../../foundation/yaml-config.ts';
import type { RecognitionRules, Recognised } from '../recognition/recognise.ts';
import type { OutputConfig, PassThroughConfig } from './config.ts';
import type { OpenLine } from './line.ts';
import { outgoingFrame } from './outgoing-frame.ts';
import { Output } from './output.ts';
import type { OutputStatus } from './output.ts';
import { isPassable } from './passable.ts';
import { ReaderClaims } from './reader-claims.ts';
import { tcpListenLine } from './tcp-listen-line.ts';

/**
 * Where a scan that identifies nobody went: `event`: the WebSocket alone, for the reader has no output; `handed-on`: to at
 * least one output; `waiting`: no output took it yet, and none will when it is too old; `claimed`: to the one client that
 * has claimed the reader; `paused`: nowhere, that client takes none now.
 */
export type PassedOn =
  | { readonly kind: 'event' | 'handed-on' | 'waiting' }
  | { readonly kind: 'claimed' | 'paused'; readonly clientId: string };

export interface PassThroughOptions {
  readonly config: Frozen<PassThroughConfig>;
  readonly readerIds: readonly string[];
  readonly rules: RecognitionRules;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * What makes a reader one that the daemon and the POS share: products, and all else that identifies nobody, go on to the
 * POS unchanged and in order, whatever the server, the replica and the sales are doing.
 *
 *   scan ─▶ may the POS have it? ─▶ claimed? ─┬─ no ──▶ every output for this reader
 *                                             └─ yes ─▶ the client's event alone
 */
export class PassThrough implements Closable {
  readonly claims: ReaderClaims;
  readonly #options: PassThroughOptions;
  readonly #outputs: readonly { readonly config: Frozen<OutputConfig>; readonly output: Output }[];

  private constructor(options: PassThroughOptions) {
    const { clock, random, log } = options;
    this.#options = options;
    this.claims = new ReaderClaims(options.readerIds, clock);
    this.#outputs = options.config.outputs.map((config) => ({
      config,
      output: Output.start({
        id: config.id,
        kind: config.kind,
        open: lineOf(config),
        maxAgeMs: config.maxAgeMs,
        clock,
        random,
        log,
      }),
    }));
  }

  /** Resolves when every output is being opened, not when it is ready: who stands at the till is known without a POS. */
  static async open(options: PassThroughOptions): Promise<PassThrough> {
    return new PassThrough(options);
  }

  /** Sends a scan to the POS if the POS may have it; undefined when it stays here. Returns at once. */
  offer(scan: Scan, recognised: Recognised): PassedOn | undefined {
    const { config, rules } = this.#options;
    if (!isPassable(scan, recognised, config.unreadable, rules)) return undefined;
    const claim = this.claims.of(scan.readerId);
    if (claim !== undefined) {
      const { clientId, dataEventEnabled } = claim;
      // The event carries text alone: what is none cannot be given to a client.
      if (recognised.kind !== 'product') return undefined;
      return { kind: dataEventEnabled ? 'claimed' : 'paused', clientId };
    }
    const outputs = this.#outputs.filter(({ config: { from } }) => from?.includes(scan.readerId) ?? true);
    if (outputs.length === 0) return recognised.kind === 'product' ? { kind: 'event' } : undefined;
    const { frame } = scan;
    let taken = false;
    for (const each of outputs) {
      taken = each.output.offer(outgoingFrame(each.config, scan.aim, frame)) || taken;
    }
    return { kind: taken ? 'handed-on' : 'waiting' };
  }

  statuses(): readonly OutputStatus[] {
    return this.#outputs.map(({ output }) => output.status());
  }

  async close(): Promise<void> {
    const all = new Opened();
    for (const { output } of this.#outputs) all.add(output);
    await all.close();
  }
}

/** A library is loaded only when an output needs it. */
function lineOf(config: Frozen<OutputConfig>): OpenLine {
  switch (config.kind) {
    case 'pty':
      return async (ports) => (await import('./pty-line.ts')).ptyLine(config)(ports);
    case 'serial':
      return async (ports) => {
        const { serialTransport } = await import('../../drivers/transport/serial.ts');
        const { transportLine } = await import('./transport-line.ts');
        const line = { path: config.path, baudRate: config.baudRate, dataBits: 8, stopBits: 1 } as const;
        return transportLine(serialTransport({ ...line, parity: 'none', rtscts: false }), config.path)(ports);
      };
    case 'tcp-listen':
      return tcpListenLine(config);
    case 'tcp-connect':
      return async (ports) => {
        const { tcpTransport } = await import('../../drivers/transport/tcp.ts');
        const { transportLine } = await import('./transport-line.ts');
        return transportLine(tcpTransport(config), `${config.host}:${config.port}`)(ports);
      };
  }
}
