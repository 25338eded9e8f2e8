// Goal: every transport keeps the one contract, each against its real far end.
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { SystemClock } from '../../foundation/clock.ts';
import type { StammkundeError } from '../../foundation/errors.ts';
import { MemoryDevice } from '../../drivers/transport/memory.ts';
import { serialTransport } from '../../drivers/transport/serial.ts';
import { tcpTransport } from '../../drivers/transport/tcp.ts';
import type { OpenTransport, Transport } from '../../drivers/transport/transport.ts';
import { openPty } from '../../drivers/transport/pty.ts';
import { settle } from '../support/manual-clock.ts';
import { asText, text } from './hex.ts';
import { Inbox } from './inbox.ts';

/** The far end of a transport, as the device has it. */
interface FarEnd {
  readonly open: OpenTransport;
  /** What the near end wrote. */
  readonly written: Inbox<string>;
  /** Resolves when the device can be heard. */
  connected(): Promise<void>;
  send(bytes: Uint8Array): Promise<void>;
  vanish(): Promise<void>;
  end(): Promise<void>;
}

function memory(): FarEnd {
  const device = new MemoryDevice();
  const written = new Inbox<string>();
  return {
    open: async (ports) => {
      const transport = await device.open(ports);
      return {
        write: async (bytes) => {
          await transport.write(bytes);
          written.put(asText(device.written.at(-1) ?? new Uint8Array()));
        },
        close: () => transport.close(),
      };
    },
    written,
    connected: () => Promise.resolve(),
    send: async (bytes) => device.send(bytes),
    vanish: async () => device.unplug(),
    end: () => Promise.resolve(),
  };
}

async function serial(): Promise<FarEnd> {
  const written = new Inbox<string>();
  const pty = await openPty({ onBytes: (bytes) => written.put(asText(bytes)) });
  return {
    open: serialTransport({
      path: pty.path,
      baudRate: 9600,
      dataBits: 8,
      stopBits: 1,
      parity: 'none',
      rtscts: false,
    }),
    written,
    connected: () => Promise.resolve(),
    send: (bytes) => pty.write(bytes),
    vanish: () => pty.close(),
    end: () => pty.close(),
  };
}

async function tcp(): Promise<FarEnd> {
  const written = new Inbox<string>();
  const sockets: Socket[] = [];
  const connections = new Inbox<Socket>();
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => written.put(asText(chunk)));
    connections.put(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A server that listens on TCP has an address of this form.
  const { port } = server.address() as AddressInfo;
  const end = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  return {
    open: tcpTransport({ host: '127.0.0.1', port, connectTimeoutMs: 5000 }),
    written,
    connected: async () => void (await connections.next()),
    send: async (bytes) => void sockets[0]?.write(bytes),
    vanish: end,
    end,
  };
}

describe.each([
  ['memory', async () => memory()],
  ['serial', serial],
  ['tcp', tcp],
])('a %s transport', (kind, start) => {
  async function withFarEnd(
    use: (farEnd: FarEnd, seen: { bytes: Inbox<string>; lost: Inbox<StammkundeError> }) => Promise<void>,
  ): Promise<void> {
    const farEnd = await start();
    try {
      await use(farEnd, { bytes: new Inbox(), lost: new Inbox() });
    } finally {
      await farEnd.end();
    }
  }

  function openOn(
    farEnd: FarEnd,
    seen: { bytes: Inbox<string>; lost: Inbox<StammkundeError> },
    signal = new AbortController().signal,
  ): Promise<Transport> {
    return farEnd.open({
      clock: new SystemClock(),
      signal,
      onBytes: (chunk) => seen.bytes.put(asText(chunk)),
      onLost: (error) => seen.lost.put(error),
    });
  }

  test('carries every byte value both ways', async (context) => {
    if (kind === 'serial' && process.platform === 'win32') context.skip('no pseudo-terminals here');
    await withFarEnd(async (farEnd, seen) => {
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const transport = await openOn(farEnd, seen);
      await farEnd.connected();
      await farEnd.send(all);
      let received = '';
      while (received.length < 256) received += await seen.bytes.next();
      expect(received).toBe(asText(all));
      await transport.write(all);
      let written = '';
      while (written.length < 256) written += await farEnd.written.next();
      expect(written).toBe(asText(all));
      await transport.close();
    });
  });

  test('says once that the far end is gone, and then takes no more', async (context) => {
    if (kind === 'serial' && process.platform === 'win32') context.skip('no pseudo-terminals here');
    await withFarEnd(async (farEnd, seen) => {
      const transport = await openOn(farEnd, seen);
      await farEnd.connected();
      await farEnd.vanish();
      expect(await seen.lost.next()).toMatchObject({ code: 'DRV_PORT_LOST' });
      await expect(transport.write(text('x'))).rejects.toMatchObject({ code: 'DRV_PORT_LOST' });
      await transport.close();
      await settle();
      expect(seen.lost.items).toEqual([]);
    });
  });

  test('is silent after close, which may be asked for twice', async (context) => {
    if (kind === 'serial' && process.platform === 'win32') context.skip('no pseudo-terminals here');
    await withFarEnd(async (farEnd, seen) => {
      const transport = await openOn(farEnd, seen);
      await farEnd.connected();
      await Promise.all([transport.close(), transport.close()]);
      await farEnd.send(text('late'));
      await farEnd.vanish();
      await settle();
      expect(seen.bytes.items).toEqual([]);
      expect(seen.lost.items).toEqual([]);
    });
  });

  test('cannot be opened once the far end is gone', async (context) => {
    if (kind === 'serial' && process.platform === 'win32') context.skip('no pseudo-terminals here');
    await withFarEnd(async (farEnd, seen) => {
      await farEnd.vanish();
      await expect(openOn(farEnd, seen)).rejects.toMatchObject({ code: 'DRV_PORT_ABSENT' });
      expect(seen.lost.items).toEqual([]);
    });
  });

  test('is given up while opening, and can then be opened by another', async (context) => {
    if (kind === 'serial' && process.platform === 'win32') context.skip('no pseudo-terminals here');
    await withFarEnd(async (farEnd, seen) => {
      const stop = new AbortController();
      const opening = openOn(farEnd, seen, stop.signal);
      stop.abort();
      await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
      const transport = await openOn(farEnd, seen);
      await transport.close();
    });
  });
});
