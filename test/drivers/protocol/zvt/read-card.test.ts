// Goal: the till as a terminal's only register asks for cards, again and again, and gives up nothing for good.
// Method: the virtual terminal on a serial line or a bare one, with a clock that is told to move; real TCP once.
import { duplexPair } from 'node:stream';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { ApduStream, commands, encodeApdu } from '../../../../drivers/protocol/zvt/apdu.ts';
import { ZvtConfig } from '../../../../drivers/protocol/zvt/config.ts';
import { zvtDriver } from '../../../../drivers/protocol/zvt/driver.ts';
import { ReadCardSession } from '../../../../drivers/protocol/zvt/read-card-session.ts';
import { encodeSerialFrame } from '../../../../drivers/protocol/zvt/serial-frame.ts';
import { openPty } from '../../../../drivers/transport/pty.ts';
import type { OpenTransport } from '../../../../drivers/transport/transport.ts';
import { StammkundeError } from '../../../../foundation/errors.ts';
import { Opened } from '../../../../foundation/lifecycle.ts';
import {
  VirtualPaymentTerminal,
  VirtualSerialPaymentTerminal,
} from '../../../../simulator/readers/virtual-payment-terminal.ts';
import type { TerminalCard } from '../../../../simulator/readers/virtual-payment-terminal-zvt-dialogue.ts';
import { ZvtTerminalDialogue } from '../../../../simulator/readers/virtual-payment-terminal-zvt-dialogue.ts';
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

const card: TerminalCard = { pan: 'EEEEEEEEEEEE4281', par: PAR };
const otherPar = PAR.replace('V', 'W');

const onSerial = { kind: 'serial', path: '/dev/null' } as const;
const onTcp = { kind: 'tcp', host: '127.0.0.1' } as const;

function config(terminal: object, mode: object = {}): ZvtConfig {
  return ZvtConfig.parse({ kind: 'zvt', id: 'terminal', terminal, mode: { kind: 'read-card', ...mode } });
}

/** One end of a pair of streams as a serial port. */
function overDuplex(line: Duplex): OpenTransport {
  return async (ports) => {
    await Promise.resolve();
    line.on('data', (chunk: Buffer) => ports.onBytes(Uint8Array.from(chunk), ports.clock.monotonicMs()));
    line.on('end', () => ports.onLost(new StammkundeError('DRV_PORT_LOST', 'the line ended')));
    return {
      write: (bytes) => new Promise<void>((resolve) => void line.write(bytes, () => resolve())),
      close: async () => {
        await Promise.resolve();
        line.removeAllListeners();
      },
    };
  };
}

/** A terminal at the other end of a bare line, as on TCP, that never takes time. */
function bareTerminal(): {
  readonly dialogue: ZvtTerminalDialogue;
  readonly open: OpenTransport;
  say(bytes: Uint8Array): void;
} {
  const stream = new ApduStream({ keeps: () => true, limitBytes: 10_000 });
  let say: (bytes: Uint8Array) => void = () => {};
  const dialogue = new ZvtTerminalDialogue((apdu) => say(apdu));
  return {
    dialogue,
    say: (bytes) => say(bytes),
    open: async (ports) => {
      await Promise.resolve();
      say = (bytes) => void setImmediate(() => ports.onBytes(bytes.slice(), ports.clock.monotonicMs()));
      return {
        write: async (bytes) => {
          await Promise.resolve();
          for (const piece of stream.push(bytes)) if (piece.kind === 'apdu') dialogue.hear(piece);
        },
        close: async () => {
          await Promise.resolve();
          say = () => {};
        },
      };
    },
  };
}

/** The driver with its line ready, time moved on wherever it waits. */
async function open(
  settings: ZvtConfig,
  transport: OpenTransport,
): Promise<{ readonly ports: TerminalPorts; readonly clock: ManualClock; readonly driver: ReadCardSession }> {
  const clock = new ManualClock();
  const ports = new TerminalPorts(clock);
  const driver = await zvtDriver(settings, transport)(ports);
  if (!(driver instanceof ReadCardSession)) throw new Error('it does not read cards');
  opened.defer(async () => {
    const closed = driver.close();
    await clock.advance(2_000);
    await closed;
  });
  return { ports, clock, driver };
}

describe('on a serial line', () => {
  test('it registers, asks, and a card that is held out becomes a scan', async () => {
    const [till, device] = duplexPair();
    const terminal = new VirtualSerialPaymentTerminal(device);
    terminal.dialogue.present(card);
    const { ports, clock } = await open(config(onSerial), overDuplex(till));
    await clock.advance(0);
    expect(terminal.dialogue.received).toEqual([commands.registration, commands.readCard]);
    expect(ports.scans.items.map(told)).toEqual([`emv-par ${PAR}`]);
  });

  test('a frame that is lost on the line is sent again after T2', async () => {
    const [till, device] = duplexPair();
    const terminal = new VirtualSerialPaymentTerminal(device);
    const { ports, clock } = await open(config(onSerial, { register: false }), overDuplex(till));
    terminal.loseNext(2);
    terminal.dialogue.present(card);
    await clock.advance(9_999);
    expect(terminal.dialogue.received).toEqual([]);
    await clock.advance(1);
    expect(terminal.dialogue.received).toEqual([commands.readCard]);
    expect(ports.scans.items.map(told)).toEqual([`emv-par ${PAR}`]);
    expect(ports.losses.items).toEqual([]);
  });

  test('a frame that arrives damaged is asked for again, and is one scan', async () => {
    const [till, device] = duplexPair();
    const terminal = new VirtualSerialPaymentTerminal(device);
    const { ports, clock } = await open(config(onSerial), overDuplex(till));
    await clock.advance(0);
    terminal.damageNext(2);
    terminal.dialogue.present(card);
    await clock.advance(0);
    expect(ports.scans.items.map(told)).toEqual([`emv-par ${PAR}`]);
    expect(ports.noise.length).toBe(2);
  });

  test('a frame that breaks off is asked for again after T1', async () => {
    const [till, device] = duplexPair();
    const written: string[] = [];
    device.on('data', (chunk: Buffer) => written.push(chunk.toString('hex')));
    const { ports, clock } = await open(
      config(onSerial, { register: false, when: 'on-request' }),
      overDuplex(till),
    );
    device.write(hex('10 02 04 0F'));
    await clock.advance(199);
    expect(written).toEqual([]);
    await clock.advance(1);
    expect(written).toEqual(['15']);
    expect(ports.noise).toMatchObject([{ reason: 'unfinished' }]);
    device.write(encodeSerialFrame(encodeApdu(commands.intermediateStatus, hex('0A'))));
    await settle();
    expect(written.join('')).toBe(`1506${Buffer.from(encodeSerialFrame(hex('80 00 00'))).toString('hex')}`);
  });

  test('a terminal that acknowledges nothing is silent', async () => {
    const [till, device] = duplexPair();
    device.resume();
    const { ports, clock } = await open(config(onSerial, { register: false }), overDuplex(till));
    await clock.advance(14_999);
    expect(ports.losses.items).toEqual([]);
    await clock.advance(1);
    expect(ports.losses.items.map(({ code }) => code)).toEqual(['DRV_TERMINAL_SILENT']);
  });
});

describe('reading', () => {
  test('goes on after a card, after nobody came, and after the stop key', async () => {
    const terminal = bareTerminal();
    const { ports, clock } = await open(config(onTcp, { pauseMs: 500 }), terminal.open);
    await clock.advance(0);
    terminal.dialogue.present(card);
    await clock.advance(500);
    terminal.dialogue.stop();
    await clock.advance(500);
    terminal.dialogue.present({ ...card, par: otherPar });
    await clock.advance(500);
    expect(ports.scans.items.map(told)).toEqual([`emv-par ${PAR}`, `emv-par ${otherPar}`]);
    expect(terminal.dialogue.received.filter((command) => command === commands.readCard)).toHaveLength(4);
    expect(ports.logged.join('')).not.toContain('terminal.refused');
  });

  test('a card left in the terminal is one scan, and presented again later another', async () => {
    const terminal = bareTerminal();
    const { ports, clock } = await open(config(onTcp, { pauseMs: 500, sameCardMs: 3_000 }), terminal.open);
    for (let i = 0; i < 10; i += 1) {
      terminal.dialogue.present(card);
      await clock.advance(500);
    }
    expect(ports.scans.items).toHaveLength(1);
    await clock.advance(3_000);
    terminal.dialogue.present(card);
    await clock.advance(500);
    expect(ports.scans.items).toHaveLength(2);
  });

  test('a terminal that waits long is waited for as long as it shows that it lives', async () => {
    const terminal = bareTerminal();
    const { ports, clock } = await open(config(onTcp), terminal.open);
    await clock.advance(0);
    await clock.advance(179_000);
    terminal.dialogue.intermediateStatus();
    await clock.advance(179_000);
    expect(ports.losses.items).toEqual([]);
    await clock.advance(1_000);
    expect(ports.losses.items.map(({ code }) => code)).toEqual(['DRV_TERMINAL_SILENT']);
  });

  test('a command that is not answered within five seconds is the loss of the terminal', async () => {
    const terminal = bareTerminal();
    const { ports, clock } = await open(config(onTcp, { register: false }), terminal.open);
    terminal.dialogue.fallSilent();
    await clock.advance(5_000);
    expect(ports.losses.items.map(({ code }) => code)).toEqual(['DRV_TERMINAL_SILENT']);
  });

  test('a terminal that refuses is asked again, ever more rarely, and told of once', async () => {
    const terminal = bareTerminal();
    const { ports, clock } = await open(config(onTcp, { register: false }), terminal.open);
    terminal.dialogue.refuseNext(...Array.from({ length: 8 }, () => 0x83));
    await clock.advance(120_000);
    expect(ports.losses.items).toEqual([]);
    const asked = terminal.dialogue.received.length;
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThan(12);
    const refusals = ports.logged.filter((line) => line.includes('"terminal.refused"'));
    expect(refusals.filter((line) => line.includes('"level":"warn"'))).toHaveLength(1);
    terminal.dialogue.present(card);
    await clock.advance(60_000);
    expect(ports.scans.items.map(told)).toEqual([`emv-par ${PAR}`]);
  });

  test('Status Information that is repeated is answered and no second scan', async () => {
    const terminal = bareTerminal();
    const { ports, clock } = await open(config(onTcp, { pauseMs: 60_000 }), terminal.open);
    terminal.dialogue.present(card);
    await clock.advance(0);
    terminal.dialogue.repeatStatusInformation();
    await settle();
    terminal.dialogue.repeatStatusInformation();
    await settle();
    expect(ports.scans.items).toHaveLength(1);
    expect(ports.frames).toBeGreaterThan(3);
  });

  test('on request asks once, and not while a reading is under way', async () => {
    const terminal = bareTerminal();
    const { ports, clock, driver } = await open(
      config(onTcp, { register: false, when: 'on-request' }),
      terminal.open,
    );
    await clock.advance(60_000);
    expect(terminal.dialogue.received).toEqual([]);
    driver.request();
    driver.request();
    await clock.advance(0);
    terminal.dialogue.present(card);
    await clock.advance(60_000);
    expect(terminal.dialogue.received).toEqual([commands.readCard]);
    expect(ports.scans.items).toHaveLength(1);
  });

  test('what the terminal asks that is no command of ZVT is refused, and the rest acknowledged', async () => {
    const terminal = bareTerminal();
    const { clock } = await open(config(onTcp, { register: false, when: 'on-request' }), terminal.open);
    const answers: string[] = [];
    const hear = terminal.dialogue.hear.bind(terminal.dialogue);
    terminal.dialogue.hear = (apdu) => {
      answers.push(apdu.command.toString(16));
      hear(apdu);
    };
    terminal.say(encodeApdu(commands.printLine, hex('00 41')));
    terminal.say(hex('0F CA 00'));
    await clock.advance(0);
    expect(answers).toEqual(['8000', '8483']);
  });
});

describe('opening', () => {
  test('a terminal that refuses to register us is no reader', async () => {
    const terminal = bareTerminal();
    terminal.dialogue.refuseNext(0x6b);
    await expect(open(config(onTcp), terminal.open)).rejects.toMatchObject({ code: 'DRV_TERMINAL_REFUSED' });
  });

  test('a terminal that does not answer the registration is silent, and nothing is left waiting', async () => {
    const terminal = bareTerminal();
    terminal.dialogue.fallSilent();
    const clock = new ManualClock();
    const opening = zvtDriver(config(onTcp), terminal.open)(new TerminalPorts(clock));
    const outcome = opening.catch((error: unknown) => error);
    await clock.advance(5_000);
    expect(await outcome).toMatchObject({ code: 'DRV_TERMINAL_SILENT' });
    expect(clock.pending).toBe(0);
  });
});

test('closing while a card is waited for stops the terminal, and nothing is left waiting', async () => {
  const terminal = bareTerminal();
  const { clock, driver } = await open(config(onTcp), terminal.open);
  await clock.advance(0);
  const closed = Promise.all([driver.close(), driver.close()]);
  await clock.advance(0);
  await closed;
  expect(terminal.dialogue.received.at(-1)).toBe(commands.abort);
  expect(clock.pending).toBe(0);
});

test('closing a terminal that fell silent takes a second', async () => {
  const terminal = bareTerminal();
  const { clock, driver } = await open(config(onTcp), terminal.open);
  await clock.advance(0);
  terminal.dialogue.fallSilent();
  let isClosed = false;
  const closed = driver.close().then(() => (isClosed = true));
  await clock.advance(999);
  expect(isClosed).toBe(false);
  await clock.advance(1);
  await closed;
});

test('on a real serial device it is the same, and the device pulled out is a terminal lost', async (context) => {
  if (process.platform === 'win32') context.skip('this platform has no pseudo-terminals');
  const [outside, inside] = duplexPair();
  const pty = await openPty({ onBytes: (bytes) => outside.write(Uint8Array.from(bytes)) });
  opened.add(pty);
  outside.on('data', (chunk: Buffer) => void pty.write(chunk).catch(() => {}));
  const terminal = new VirtualSerialPaymentTerminal(inside);
  terminal.dialogue.present(card);
  const ports = new TerminalPorts();
  opened.add(await zvtDriver(config({ kind: 'serial', path: pty.path }))(ports));
  expect(told(await ports.scans.next())).toBe(`emv-par ${PAR}`);
  expect(terminal.dialogue.received.slice(0, 2)).toEqual([commands.registration, commands.readCard]);
  await pty.close();
  expect(await ports.losses.next()).toMatchObject({ code: 'DRV_PORT_LOST' });
});

test('over TCP it is the same, with the clock of the machine', async () => {
  const terminal = opened.add(await VirtualPaymentTerminal.open());
  const ports = new TerminalPorts();
  terminal.cutWith((bytes) => [...bytes].map((byte) => Uint8Array.of(byte)));
  terminal.dialogue.present(card);
  opened.add(await zvtDriver(config({ ...onTcp, port: terminal.port }))(ports));
  expect(told(await ports.scans.next())).toBe(`emv-par ${PAR}`);
  terminal.hangUp('break');
  expect(await ports.losses.next()).toMatchObject({ code: 'DRV_PORT_LOST' });
});

test('no card number is in any log line, error, scan or noise, whatever the terminal tells', async () => {
  const terminal = bareTerminal();
  const { ports, clock } = await open(config(onTcp), terminal.open);
  for (const pan of testPans) {
    terminal.dialogue.present({ pan, track2: `${pan}D30122010000`, tokens: [[0x1f8008, packed(pan)]] });
    await clock.advance(500);
  }
  terminal.say(packed(testPans[0]));
  terminal.dialogue.stop(0x66);
  await clock.advance(60_000);
  const output = [...ports.logged, ...ports.scans.items.map(told), JSON.stringify(ports.noise)].join('\n');
  for (const pan of testPans) expect(output).not.toContain(pan.slice(-6));
  expect(ports.scans.items).toEqual([]);
  expect(output).toContain('PAN_REJECTED');
});
