import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { HidMessageReader, writeHidMessage } from '../../drivers/transport/hid-network-messages.ts';
import type { HidIntroduction } from '../../drivers/transport/hid-network-messages.ts';
import type { Closable } from '../../foundation/lifecycle.ts';

/** A HID device without a kernel: it is passed on over TCP, as a thin client passes its own on. */
export class VirtualHidDevice implements Closable {
  readonly port: number;
  /** Feature and output reports it was sent, oldest first. */
  readonly received: { readonly kind: 'feature' | 'output'; readonly bytes: Uint8Array }[] = [];
  readonly #introduction: Uint8Array;
  readonly #tills = new Set<Socket>();
  #server: Server | undefined;

  private constructor(introduction: HidIntroduction, server: Server) {
    const bytes = Buffer.from(JSON.stringify(introduction), 'utf8');
    this.#introduction = writeHidMessage({ kind: 'identity', bytes });
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    this.port = (server.address() as AddressInfo).port;
    this.#plug(server);
  }

  /** @param port 0: any free one */
  static async open(introduction: HidIntroduction, port = 0): Promise<VirtualHidDevice> {
    return new VirtualHidDevice(introduction, await listen(port));
  }

  get plugged(): boolean {
    return this.#server !== undefined;
  }

  /** @throws Error when no till has it open */
  async send(reports: readonly Uint8Array[]): Promise<void> {
    if (this.#tills.size === 0) throw new Error(`no till has the device at port ${this.port} open`);
    for (const bytes of reports) {
      const message = writeHidMessage({ kind: 'input', bytes });
      for (const till of this.#tills) till.write(message);
    }
  }

  async unplug(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const till of this.#tills) till.resetAndDestroy();
    });
  }

  async plugIn(): Promise<void> {
    if (this.#server === undefined) this.#plug(await listen(this.port));
  }

  close(): Promise<void> {
    return this.unplug();
  }

  #plug(server: Server): void {
    this.#server = server;
    server.on('connection', (till) => {
      this.#tills.add(till);
      // A broken connection shows as its closing.
      till.on('error', () => {});
      till.on('close', () => this.#tills.delete(till));
      const reader = new HidMessageReader();
      till.on('data', (chunk: Buffer) => {
        const messages = reader.push(chunk);
        if (messages === 'broken') till.destroy();
        else
          for (const { kind, bytes } of messages)
            if (kind === 'feature' || kind === 'output') this.received.push({ kind, bytes });
      });
      till.write(this.#introduction);
    });
  }
}

function listen(port: number): Promise<Server> {
  const server = createServer({ noDelay: true });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}
