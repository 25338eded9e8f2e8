// Goal: a till that listens in between register and terminal knows who pays, and what it hears of cards stays with it.
// Method: a virtual terminal on real TCP, a register of plain sockets, everything cut at random.
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { commands, encodeApdu } from '../../../../drivers/protocol/zvt/apdu.ts';
import { Opened } from '../../../../foundation/lifecycle.ts';
import { VirtualPaymentTerminal } from '../../../../simulator/readers/virtual-payment-terminal.ts';
import { hex } from '../../hex.ts';
import { testPans } from '../../../sync/contract/payment-cards.ts';
import { packed, PAR } from './captured-frames.ts';
import { told } from './terminal-ports.ts';
import { authorisation, girocard, gone, Register, shop } from './listening-shop.ts';

let opened = new Opened();
afterEach(async () => {
  await opened.close();
  opened = new Opened();
});

test('a customer who pays is known by the PAR, once', async () => {
  const { terminal, ports, driver } = await shop(opened);
  const register = await Register.dial(opened, driver.port);
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
  const { terminal, ports, driver } = await shop(opened);
  const register = await Register.dial(opened, driver.port);
  terminal.dialogue.present(card);
  await register.run(authorisation);
  expect(ports.scans.items.map(told)).toEqual([expected]);
});

describe('nobody is known by', () => {
  test('a payment that failed', async () => {
    const { terminal, ports, driver } = await shop(opened);
    const register = await Register.dial(opened, driver.port);
    terminal.dialogue.present({ ...girocard, resultCode: 0x6c });
    expect(await register.run(authorisation)).toBe(commands.abortByTerminal);
    expect(ports.scans.items).toEqual([]);
  });

  test('a receipt that is printed again', async () => {
    const { terminal, ports, driver } = await shop(opened);
    const register = await Register.dial(opened, driver.port);
    terminal.dialogue.present(girocard);
    await register.run(authorisation);
    ports.scans.clear();
    await register.run(encodeApdu(commands.repeatReceipt, hex('00 00 00')));
    expect(ports.scans.items).toEqual([]);
  });

  test('Status Information that the terminal repeats', async () => {
    const { terminal, ports, driver } = await shop(opened);
    const register = await Register.dial(opened, driver.port);
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
  const alone = await Register.dial(opened, direct.port);
  direct.dialogue.present(girocard);
  await alone.run(authorisation);
  const { terminal, ports, driver } = await shop(opened);
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, sizes, async (fromRegister, fromTerminal) => {
      terminal.cutWith(cutter(fromTerminal));
      const register = await Register.dial(opened, driver.port, cutter(fromRegister));
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
test('no card number is in any log line, error, scan or noise, whatever the terminal tells', async () => {
  const { terminal, ports, driver } = await shop(opened);
  const register = await Register.dial(opened, driver.port);
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
