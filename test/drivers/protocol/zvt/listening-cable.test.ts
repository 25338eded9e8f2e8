// Goal: a till that listens in between register and terminal is a cable: what one side sends or ends, the other gets.
// Method: a virtual terminal on real TCP, or two sockets that only send what they are told.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { TerminalLine } from '../../../../drivers/protocol/payment-terminal/terminal-line.ts';
import { commands } from '../../../../drivers/protocol/zvt/apdu.ts';
import { ZvtConfig } from '../../../../drivers/protocol/zvt/config.ts';
import { zvtDriver } from '../../../../drivers/protocol/zvt/driver.ts';
import { Opened } from '../../../../foundation/lifecycle.ts';
import { VirtualPaymentTerminal } from '../../../../simulator/readers/virtual-payment-terminal.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';
import { hex } from '../../hex.ts';
import { testPans } from '../../../sync/contract/payment-cards.ts';
import { PAR } from './captured-frames.ts';
import { TerminalPorts, told } from './terminal-ports.ts';
import { authorisation, girocard, gone, Register, shop } from './listening-shop.ts';

let opened = new Opened();
afterEach(async () => {
  await opened.close();
  opened = new Opened();
});

async function bareLine(
  failingTap = false,
  clock?: ManualClock,
): Promise<{
  readonly register: Socket;
  readonly terminal: Socket;
  readonly line: TerminalLine;
  readonly ports: TerminalPorts;
}> {
  const { createServer } = await import('node:net');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.defer(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a port');
  const ports = new TerminalPorts(clock);
  const failing = {
    busy: false,
    fromRegister: () => {
      throw new Error(`cannot read ${testPans[0]}`);
    },
    fromTerminal: () => {
      throw new Error(`cannot read ${testPans[0]}`);
    },
    close: () => {
      throw new Error(`cannot read ${testPans[0]}`);
    },
  };
  let line: TerminalLine;
  if (failingTap) {
    line = await TerminalLine.open({
      readerId: 'terminal',
      listen: { host: '127.0.0.1', port: 0 },
      terminal: { host: '127.0.0.1', port: address.port, connectTimeoutMs: 1_000 },
      clock: ports.clock,
      log: ports.log,
      signal: ports.signal,
      tap: () => failing,
      onLost: (error) => ports.onLost(error),
    });
  } else {
    const { driver } = await listeningOn(address.port, ports);
    line = driver;
  }
  opened.add(line);
  const register = connect({ port: line.port, host: '127.0.0.1', allowHalfOpen: true });
  register.on('error', () => {});
  opened.defer(() => void register.destroy());
  const [terminal] = (await once(server, 'connection')) as [Socket]; // what 'connection' passes
  terminal.on('error', () => {});
  terminal.allowHalfOpen = true;
  opened.defer(() => void terminal.destroy());
  return { register, terminal, line, ports };
}

async function listeningOn(port: number, ports: TerminalPorts): Promise<{ readonly driver: TerminalLine }> {
  const config = ZvtConfig.parse({
    kind: 'zvt',
    id: 'terminal',
    terminal: { kind: 'tcp', host: '127.0.0.1', port },
    mode: { kind: 'listen', port: 0 },
  });
  const driver = await zvtDriver(config)(ports);
  if (!(driver instanceof TerminalLine)) throw new Error('it does not listen');
  return { driver };
}

async function arrival(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let got = 0;
  while (got < length) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]; // what 'data' passes
    chunks.push(Buffer.from(chunk));
    got += chunk.length;
  }
  return Buffer.concat(chunks);
}

describe('whatever passes, also what is no ZVT, passes unchanged in both directions', () => {
  test.each([
    ['and is read', false],
    ['and cannot be read, for the reading fails', true],
  ])('%s', async (_how, failing) => {
    const { register, terminal, ports } = await bareLine(failing);
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 2_000 }),
        fc.uint8Array({ minLength: 1, maxLength: 2_000 }),
        async (up, down) => {
          const both = Promise.all([arrival(terminal, up.length), arrival(register, down.length)]);
          register.write(up);
          terminal.write(down);
          const [upArrived, downArrived] = await both;
          expect(Buffer.compare(upArrived, up)).toBe(0);
          expect(Buffer.compare(downArrived, down)).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
    expect(ports.logged.join('\n')).not.toContain(testPans[0]);
    expect(ports.logged.filter((line) => line.includes('terminal.tap-failed')).length).toBe(failing ? 2 : 0);
  });

  test('more than a side takes at once waits in the other side, and all of it arrives', async () => {
    const { register, terminal } = await bareLine();
    const much = Buffer.alloc(12_000_000, 'ZVT');
    terminal.write(much);
    // Nobody reads yet: what the system takes is full, and the rest waits on both sides of the till.
    for (let i = 0; i < 40; i += 1) await settle();
    expect(terminal.writableLength).toBeGreaterThan(0);
    expect(Buffer.compare(await arrival(register, much.length), much)).toBe(0);
  });
});

describe('what ends on one side ends on the other', () => {
  test('an end of the register, after what the terminal still had to say', async () => {
    const { register, terminal } = await bareLine();
    register.resume();
    register.end(hex('06 0F 00'));
    terminal.resume();
    await once(terminal, 'end');
    const last = arrival(register, 3);
    terminal.end(hex('80 00 00'));
    expect((await last).toString('hex')).toBe('800000');
    await gone(register);
  });

  test('an end of the terminal', async () => {
    const { register, terminal } = await bareLine();
    register.resume();
    terminal.end();
    await once(register, 'end');
    expect(register.readableEnded).toBe(true);
  });

  test.each(['register', 'terminal'] as const)('a break of the %s', async (side) => {
    const line = await bareLine();
    const other = side === 'register' ? line.terminal : line.register;
    other.resume();
    line[side].resetAndDestroy();
    await gone(other);
    expect(line.ports.losses.items).toEqual([]);
  });

  test('an end that the other side never returns, after half a minute without a byte', async () => {
    const clock = new ManualClock();
    const { register, terminal } = await bareLine(false, clock);
    register.end();
    terminal.resume();
    await once(terminal, 'end');
    await clock.advance(29_000);
    terminal.write(hex('80 00 00'));
    await arrival(register, 3);
    await clock.advance(29_000);
    await settle();
    expect(register.destroyed).toBe(false);
    const closed = gone(register.resume());
    await clock.advance(1_000);
    await closed;
    expect(clock.pending).toBe(0);
  });

  test('a terminal that cannot be reached, and the register dials again without the till being opened again', async () => {
    const terminal = await VirtualPaymentTerminal.open();
    const { port } = terminal;
    await terminal.close();
    const ports = new TerminalPorts();
    const { driver } = await listeningOn(port, ports);
    opened.add(driver);
    const register = await Register.dial(opened, driver.port);
    await gone(register.socket);
    await ports.events.until((event) => event === 'terminal.unreachable');
    const back = opened.add(await VirtualPaymentTerminal.open(port));
    const again = await Register.dial(opened, driver.port);
    back.dialogue.present(girocard);
    expect(await again.run(authorisation)).toBe(commands.completion);
    expect(ports.scans.items.map(told)).toEqual([`emv-par ${PAR}`]);
  });
});

describe('closing', () => {
  test('lets a payment that is under way come to its end', async () => {
    const { terminal, ports, driver } = await shop(opened);
    const register = await Register.dial(opened, driver.port);
    const over = register.run(authorisation);
    while (terminal.dialogue.received.length === 0) await once(register.socket, 'data');
    const closed = driver.close();
    await ports.events.until((event) => event === 'terminal.closing-waits');
    terminal.dialogue.present(girocard);
    expect(await over).toBe(commands.completion);
    await closed;
    expect(ports.logged.join('\n')).not.toContain('terminal.payment-cut');
    expect(ports.scans.items.map(told)).toEqual([`emv-par ${PAR}`]);
  });

  test('cuts a payment that does not end within four seconds, and says so', async () => {
    const clock = new ManualClock();
    const { register, terminal, line, ports } = await bareLine(false, clock);
    register.resume();
    register.write(authorisation);
    await arrival(terminal, authorisation.length);
    const closed = line.close();
    await clock.advance(3_999);
    expect(register.destroyed).toBe(false);
    await clock.advance(1);
    await Promise.all([gone(register), gone(terminal.resume()), closed]);
    expect(ports.logged.join('\n')).toContain('terminal.payment-cut');
    expect(clock.pending).toBe(0);
  });

  test('waits half a second for a register that does not hang up when told the end', async () => {
    const clock = new ManualClock();
    const { register, line, ports } = await bareLine(false, clock);
    register.resume();
    const closed = line.close();
    await once(register, 'end');
    await clock.advance(500);
    await closed;
    expect(ports.logged.join('\n')).not.toContain('terminal.payment-cut');
  });

  test('is done at once when no register is there, also twice', async () => {
    const { driver } = await shop(opened);
    expect(await Promise.all([driver.close(), driver.close()])).toHaveLength(2);
  });

  test('a port that is taken is said to be', async () => {
    const { driver, terminal } = await shop(opened);
    await expect(
      zvtDriver(
        ZvtConfig.parse({
          kind: 'zvt',
          id: 'terminal',
          terminal: { kind: 'tcp', host: '127.0.0.1', port: terminal.port },
          mode: { kind: 'listen', port: driver.port },
        }),
      )(new TerminalPorts()),
    ).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  });
});
