import type { OpenTransport, Transport } from '../../drivers/transport/transport.ts';
import { asError, StammkundeError } from '../../foundation/errors.ts';
import type { Line, LinePorts, OpenLine } from './line.ts';

/** Scans handed over and not yet taken by the operating system. */
const IN_FLIGHT_MAX = 16;

/** A line to the POS over a serial port or a connection that the daemon opens. What the POS sends is not looked at. */
export function transportLine(open: OpenTransport, name: string): OpenLine {
  return async (ports) => {
    const fault = (cause: unknown): StammkundeError =>
      new StammkundeError('PASS_POS_ABSENT', `${name}: ${asError(cause).message}`, { cause });
    let transport: Transport;
    try {
      transport = await open({
        clock: ports.clock,
        signal: ports.signal,
        onBytes: () => {},
        onLost: (error) => ports.onLost(fault(error)),
      });
    } catch (error) {
      throw ports.signal.aborted ? error : fault(error);
    }
    return new TransportLine(transport, ports, fault);
  };
}

class TransportLine implements Line {
  readonly receivers = 1;
  readonly #transport: Transport;
  readonly #ports: LinePorts;
  readonly #fault: (cause: unknown) => StammkundeError;
  #inFlight = 0;
  #cancelStuck: (() => void) | undefined;
  #over = false;

  constructor(transport: Transport, ports: LinePorts, fault: (cause: unknown) => StammkundeError) {
    this.#transport = transport;
    this.#ports = ports;
    this.#fault = fault;
  }

  send(bytes: Uint8Array): 'taken' | 'busy' {
    if (this.#over || this.#inFlight >= IN_FLIGHT_MAX) return 'busy';
    this.#inFlight += 1;
    this.#watch();
    this.#transport.write(bytes).then(
      () => this.#taken(),
      (error: unknown) => this.#lose(error),
    );
    return 'taken';
  }

  async close(): Promise<void> {
    this.#over = true;
    this.#cancelStuck?.();
    await this.#transport.close();
  }

  #taken(): void {
    this.#inFlight -= 1;
    this.#cancelStuck?.();
    this.#cancelStuck = undefined;
    if (this.#over) return;
    if (this.#inFlight > 0) this.#watch();
    this.#ports.onReady();
  }

  /** A POS that takes nothing for so long would get all of it late: the line is dropped with what waits in it. */
  #watch(): void {
    this.#cancelStuck ??= this.#ports.clock.schedule(this.#ports.maxAgeMs, () => {
      const scans = this.#inFlight;
      this.#ports.onTakenBack(scans);
      this.#lose(new Error('nothing was taken for too long'));
    });
  }

  #lose(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelStuck?.();
    this.#ports.onLost(this.#fault(error));
  }
}
