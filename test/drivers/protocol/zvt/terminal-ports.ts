import type { Clock } from '../../../../foundation/clock.ts';
import { SystemClock } from '../../../../foundation/clock.ts';
import type { StammkundeError } from '../../../../foundation/errors.ts';
import type { Log } from '../../../../foundation/log.ts';
import { createLog } from '../../../../foundation/log.ts';
import { SeededRandom } from '../../../../foundation/random.ts';
import type { ReaderPorts, Scan } from '../../../../drivers/driver.ts';
import type { Noise } from '../../../../drivers/framing/frame.ts';
import { Inbox } from '../../inbox.ts';

/** Ports of a driver that keep what it does, and every line it logs, unscrubbed fields included. */
export class TerminalPorts implements ReaderPorts {
  readonly readerId = 'terminal';
  readonly clock: Clock;
  readonly random = new SeededRandom(1);
  readonly log: Log;
  readonly stop = new AbortController();
  readonly scans = new Inbox<Scan>();
  readonly losses = new Inbox<StammkundeError>();
  readonly noise: Noise[] = [];
  readonly logged: string[] = [];
  readonly events = new Inbox<string>();
  frames = 0;

  constructor(clock: Clock = new SystemClock()) {
    this.clock = clock;
    const real = createLog({ name: 'test', level: 'debug', write: (line) => this.logged.push(line) });
    const keep =
      (level: keyof Log): Log['info'] =>
      (fields) => {
        // As handed over, before the log scrubs it.
        this.logged.push(JSON.stringify(fields, (_key, value: unknown) => printable(value)));
        this.events.put(fields.event);
        real[level](fields);
      };
    this.log = { error: keep('error'), warn: keep('warn'), info: keep('info'), debug: keep('debug') };
  }

  get signal(): AbortSignal {
    return this.stop.signal;
  }

  onFrame(): void {
    this.frames += 1;
  }

  onScan(scan: Scan): void {
    this.scans.put(scan);
  }

  onNoise(noise: Noise): void {
    this.noise.push(noise);
  }

  onLost(error: StammkundeError): void {
    this.losses.put(error);
  }
}

function printable(value: unknown): unknown {
  return value instanceof Error
    ? { name: value.name, message: value.message, stack: value.stack, cause: String(value.cause) }
    : value;
}

/** Symbology and payload of a scan, as text. */
export function told(scan: Scan): string {
  return `${scan.symbology} ${Buffer.from(scan.payload).toString('latin1')}`;
}
