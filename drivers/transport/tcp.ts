import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { abortReason } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { OpenTransport, Transport, TransportPorts } from './transport.ts';

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs: number;
}

/** A scanner in the network that listens: the till dials it. Keep-alive finds out when it is switched off. */
export function tcpTransport(address: TcpAddress): OpenTransport {
  return async (ports) => {
    const socket = await dial(address, ports);
    return new TcpTransport(socket, `${address.host}:${address.port}`, ports);
  };
}

/** Quiet time before the first keep-alive probe, ms. */
const KEEP_ALIVE_AFTER_MS = 10_000;

function dial(address: TcpAddress, ports: TransportPorts): Promise<Socket> {
  const name = `${address.host}:${address.port}`;
  return new Promise((resolve, reject) => {
    if (ports.signal.aborted) {
      reject(abortReason(ports.signal));
      return;
    }
    const socket = connect({
      host: address.host,
      port: address.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
    });
    const giveUp = (reason: Error): void => {
      settled();
      // An error may still arrive while the socket is being torn down; it has been reported already.
      socket.on('error', () => {});
      socket.destroy();
      reject(reason);
    };
    const cancelDeadline = ports.clock.schedule(address.connectTimeoutMs, () =>
      giveUp(
        new StammkundeError(
          'DRV_PORT_ABSENT',
          `${name} did not answer within ${address.connectTimeoutMs} ms`,
        ),
      ),
    );
    const onAbort = (): void => giveUp(abortReason(ports.signal));
    const onError = (error: NodeJS.ErrnoException): void =>
      giveUp(new StammkundeError(dialFaultCode(error), `${name} cannot be reached`, { cause: error }));
    const onConnect = (): void => {
      settled();
      resolve(socket);
    };
    const settled = (): void => {
      cancelDeadline();
      ports.signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('connect', onConnect);
    };
    ports.signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('connect', onConnect);
  });
}

function dialFaultCode(error: NodeJS.ErrnoException): ErrorCode {
  return error.code === 'EACCES' || error.code === 'EPERM' ? 'DRV_PORT_DENIED' : 'DRV_PORT_ABSENT';
}

class TcpTransport implements Transport {
  readonly #socket: Socket;
  readonly #name: string;
  #state: 'open' | 'lost' | 'closed' = 'open';
  #cause: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(socket: Socket, name: string, ports: TransportPorts) {
    this.#socket = socket;
    this.#name = name;
    socket.on('data', (chunk: Buffer) => {
      if (this.#state === 'open') ports.onBytes(chunk, ports.clock.monotonicMs());
    });
    socket.on('error', (error: Error) => (this.#cause ??= error));
    socket.on('close', () => {
      if (this.#state !== 'open') return;
      this.#state = 'lost';
      ports.onLost(
        new StammkundeError(
          'DRV_PORT_LOST',
          `the connection to ${name} broke`,
          this.#cause === undefined ? {} : { cause: this.#cause },
        ),
      );
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#state !== 'open') {
      throw new StammkundeError('DRV_PORT_LOST', `${this.#name} is not connected`);
    }
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error === null || error === undefined) resolve();
        else
          reject(new StammkundeError('DRV_PORT_LOST', `writing to ${this.#name} failed`, { cause: error }));
      });
    });
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#state = 'closed';
      if (this.#socket.closed) {
        resolve();
      } else {
        this.#socket.once('close', () => resolve());
        this.#socket.destroy();
      }
    });
    return this.#closing;
  }
}
