// Goal: a till that listens in between register and terminal is a cable, and knows who pays.
// Method: a virtual terminal on real TCP, a register of plain sockets, everything cut at random.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { TerminalLine } from '../../../../drivers/protocol/payment-terminal/terminal-line.ts';
import { ApduStream, commands, encodeApdu, isAnswer } from '../../../../drivers/protocol/zvt/apdu.ts';
import { ZvtConfig } from '../../../../drivers/protocol/zvt/config.ts';
import { zvtDriver } from '../../../../drivers/protocol/zvt/driver.ts';
import { Opened } from '../../../../foundation/lifecycle.ts';
import { VirtualPaymentTerminal } from '../../../../simulator/readers/virtual-payment-terminal.ts';
import type { TerminalCard } from '../../../../simulator/readers/virtual-payment-terminal-zvt-dialogue.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';
import { hex } from '../../hex.ts';
import { testPans } from '../../../sync/contract/payment-cards.ts';
import { packed, PAR } from './captured-frames.ts';
import { TerminalPorts, told } from './terminal-ports.ts';

let opened = new Opened();
afterEach(async () => {
  await opened.close();
  opened = new Opened();
});

const girocard: TerminalCard = { pan: 'EEEEEEEEEEEE4281', par: PAR, cardType: 5 };
const authorisation = hex('06 01 07 04 00 00 00 00 10 00');

/** Resolves when a socket is closed, by an end or a break. */
function gone(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

/** A cash register: it answers what the terminal says, and keeps every byte of it. */
class Register {
  readonly socket: Socket;
  readonly sent: Buffer[] = [];
  readonly received: Buffer[] = [];
  readonly #stream = new ApduStream({ keeps: () => true, limitBytes: 65_536 });
  readonly #cut: (bytes: Uint8Array) => readonly Uint8Array[];
  #done = Promise.withResolvers<number>();

  private constructor(socket: Socket, cut: (bytes: Uint8Array) => readonly Uint8Array[]) {
    this.socket = socket;
    this.#cut = cut;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.received.push(Buffer.from(chunk));
      for (const piece of this.#stream.push(chunk)) {
        if (piece.kind !== 'apdu') continue;
        if (!isAnswer(piece.command)) this.send(encodeApdu(commands.acknowledged));
        if (piece.command === commands.completion || piece.command === commands.abortByTerminal) {
          this.#done.resolve(piece.command);
        }
      }
    });
  }

  static async dial(
    port: number,
    cut: (bytes: Uint8Array) => readonly Uint8Array[] = (bytes) => [bytes],
  ): Promise<Register> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const register = new Register(socket, cut);
    opened.defer(() => void socket.destroy());
    await new Promise<void>((resolve) => {
      socket.once('connect', () => resolve());
      socket.once('close', () => resolve()); // hung up on at once
    });
    return register;
  }

  send(bytes: Uint8Array): void {
    this.sent.push(Buffer.from(bytes));
    for (const piece of this.#cut(bytes)) this.socket.write(piece);
  }

  /** Sends a command and resolves with how it ended: 06 0F or 06 1E. */
  async run(command: Uint8Array): Promise<number> {
    this.#done = Promise.withResolvers();
    this.send(command);
    return this.#done.promise;
  }
}

async function shop(): Promise<{
  readonly terminal: VirtualPaymentTerminal;
  readonly ports: TerminalPorts;
  readonly driver: TerminalLine;
}> {
  const terminal = opened.add(await VirtualPaymentTerminal.open());
  const ports = new TerminalPorts();
  const config = ZvtConfig.parse({
    kind: 'zvt',
    id: 'terminal',
    terminal: { kind: 'tcp', host: '127.0.0.1', port: terminal.port },
    mode: { kind: 'listen', port: 0 },
    tokens: ['1f8007', '1f8008', '1f14'],
  });
  const driver = opened.add(await zvtDriver(config)(ports));
  if (!(driver instanceof TerminalLine)) throw new Error('it does not listen');
  return { terminal, ports, driver };
}

test('a customer who pays is known by the PAR, once', async () => {
  const { terminal, ports, driver } = await shop();
  const register = await Register.dial(driver.port);
  terminal.dialogue.present(girocard);
  expect(await register.run(authorisation)).toBe(commands.completion);
  expect(ports.scans.items.map(told)).toEqual([`emv-par ${PAR}`]);
});

test.each([
  [
    { pan: 'EEEEEEEEEEEE4281', tokens: [[0x1f8007, hex('0102030405060708')]] },
    'card-token 1f8007:0102030405060708',
  ],
  [
    { pan: 'EEEEEEEEEEEE4281', tokens: [[0x1f14, hex('0102030405060708')]] },
    'card-token 1f14:0102030405060708',
  ],
  [{ pan: 'EEEEEEEEEEEE4281', walletId: '2900000012345' }, 'wallet-pass 2900000012345'],
] as const)('a card that has another identity is known by that (%#)', async (card, expected) => {
  const { terminal, ports, driver } = await shop();
  const register = await Register.dial(driver.port);
  terminal.dialogue.present(card);
  await register.run(authorisation);
  expect(ports.scans.items.map(told)).toEqual([expected]);
});

describe('nobody is known by', () => {
  test('a payment that failed', async () => {
    const { terminal, ports, driver } = await shop();
    const register = await Register.dial(driver.port);
    terminal.dialogue.present({ ...girocard, resultCode: 0x6c });
    expect(await register.run(authorisation)).toBe(commands.abortByTerminal);
    expect(ports.scans.items).toEqual([]);
  });

  test('a receipt that is printed again', async () => {
    const { terminal, ports, driver } = await shop();
    const register = await Register.dial(driver.port);
    terminal.dialogue.present(girocard);
    await register.run(authorisation);
    ports.scans.clear();
    await register.run(encodeApdu(commands.repeatReceipt, hex('00 00 00')));
    expect(ports.scans.items).toEqual([]);
  });

  test('Status Information that the terminal repeats', async () => {
    const { terminal, ports, driver } = await shop();
    const register = await Register.dial(driver.port);
    terminal.dialogue.present(girocard);
    terminal.cutWith((bytes) => (bytes[0] === 0x04 && bytes[1] === 0x0f ? [bytes, bytes] : [bytes]));
    await register.run(authorisation);
    expect(ports.scans.items).toHaveLength(1);
    expect(Buffer.concat(register.received).toString('hex').split('040f').length).toBeGreaterThan(2);
  });
});

/** Cuts bytes at places a generator chose. */
function cutter(sizes: readonly number[]): (bytes: Uint8Array) => readonly Uint8Array[] {
  let next = 0;
  return (bytes) => {
    const pieces: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length) {
      const size = sizes[next++ % sizes.length] ?? 1;
      pieces.push(bytes.slice(at, at + size));
      at += size;
    }
    return pieces;
  };
}

test('a payment passes byte for byte, however the network cuts it, and is the same as without the till', async () => {
  const direct = opened.add(await VirtualPaymentTerminal.open());
  const alone = await Register.dial(direct.port);
  direct.dialogue.present(girocard);
  await alone.run(authorisation);
  const { terminal, ports, driver } = await shop();
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, sizes, async (fromRegister, fromTerminal) => {
      terminal.cutWith(cutter(fromTerminal));
      const register = await Register.dial(driver.port, cutter(fromRegister));
      terminal.dialogue.present(girocard);
      expect(await register.run(authorisation)).toBe(commands.completion);
      expect(Buffer.concat(register.received).toString('hex')).toBe(
        Buffer.concat(alone.received).toString('hex'),
      );
      expect(terminal.dialogue.received).toEqual([commands.authorisation]);
      terminal.dialogue.received.length = 0;
      register.socket.end();
      await gone(register.socket);
    }),
    { numRuns: 40 },
  );
  expect(ports.scans.items).toHaveLength(40);
});

/** A terminal and a register that only send what they are told, to see what arrives of it. */
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
    const register = await Register.dial(driver.port);
    await gone(register.socket);
    await ports.events.until((event) => event === 'terminal.unreachable');
    const back = opened.add(await VirtualPaymentTerminal.open(port));
    const again = await Register.dial(driver.port);
    back.dialogue.present(girocard);
    expect(await again.run(authorisation)).toBe(commands.completion);
    expect(ports.scans.items.map(told)).toEqual([`emv-par ${PAR}`]);
  });
});

describe('closing', () => {
  test('lets a payment that is under way come to its end', async () => {
    const { terminal, ports, driver } = await shop();
    const register = await Register.dial(driver.port);
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
    const { driver } = await shop();
    expect(await Promise.all([driver.close(), driver.close()])).toHaveLength(2);
  });

  test('a port that is taken is said to be', async () => {
    const { driver, terminal } = await shop();
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

test('no card number is in any log line, error, scan or noise, whatever the terminal tells', async () => {
  const { terminal, ports, driver } = await shop();
  const register = await Register.dial(driver.port);
  for (const pan of testPans) {
    terminal.dialogue.present({ pan, track2: `${pan}D30122010000`, tokens: [[0x1f14, packed(pan)]] });
    await register.run(authorisation);
  }
  terminal.sendRaw(packed(testPans[0]));
  terminal.dialogue.present({ ...girocard, pan: testPans[1] });
  await register.run(authorisation);
  const told_ = [
    ...ports.logged,
    ...ports.scans.items.map(told),
    JSON.stringify(ports.noise),
    ...ports.losses.items.map((error) => `${error.message} ${error.stack}`),
  ].join('\n');
  for (const pan of testPans) {
    expect(told_).not.toContain(pan);
    expect(told_).not.toContain(pan.slice(-6));
  }
  const incidents = ports.logged.filter((line) => line.includes('PAN_REJECTED'));
  expect(incidents.length).toBe(2 * (testPans.length + 1));
  expect(ports.scans.items.map(told)).toEqual([`emv-par ${PAR}`]);
});
