// Goal: a HID device behind a network is the same device to the drivers; whatever the far end says, the till lives.
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '../../../foundation/clock.ts';
import type { StammkundeError } from '../../../foundation/errors.ts';
import type { HidDevice } from '../../../drivers/transport/hid-device.ts';
import { networkHid } from '../../../drivers/transport/hid-network.ts';
import { HidMessageReader, writeHidMessage } from '../../../drivers/transport/hid-network-messages.ts';
import type { HidMessage } from '../../../drivers/transport/hid-network-messages.ts';
import { hidPosScanner } from '../../../simulator/readers/hid-reports.ts';
import { VirtualHidDevice } from '../../../simulator/readers/virtual-hid-device.ts';

class Seen {
  readonly reports: Uint8Array[] = [];
  readonly lost: StammkundeError[] = [];
  #changed: () => void = () => {};

  open(port: number, signal = new AbortController().signal): Promise<HidDevice> {
    return networkHid({ host: '127.0.0.1', port })({
      clock: new SystemClock(),
      signal,
      onReport: (report) => {
        this.reports.push(report);
        this.#changed();
      },
      onLost: (error) => {
        this.lost.push(error);
        this.#changed();
      },
    });
  }

  async until(ready: () => boolean): Promise<void> {
    while (!ready()) await new Promise<void>((resolve) => (this.#changed = resolve));
  }
}

/** A listener that says `bytes` to whoever comes, and `answer` to what they say. */
async function saying(bytes: Uint8Array, answer = new Uint8Array(0)): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write(answer));
    socket.write(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

test('a device is opened with what it says of itself, and its reports come in order', async () => {
  const far = await VirtualHidDevice.open(hidPosScanner);
  onTestFinished(() => far.close());
  const seen = new Seen();
  const device = await seen.open(far.port);
  onTestFinished(() => device.close());
  expect(device.identity).toMatchObject({
    vendorId: 0x0c2e,
    productId: 0x0b81,
    usagePage: 0x8c,
    path: `tcp://127.0.0.1:${far.port}`,
  });
  expect(Buffer.from(device.reportDescriptor ?? []).toString('hex')).toBe(hidPosScanner.reportDescriptorHex);
  await far.send([Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)]);
  await seen.until(() => seen.reports.length === 3);
  expect(seen.reports.map((report) => [...report])).toEqual([[1, 2], [], [3]]);
});

test('feature and output reports reach it', async () => {
  const far = await VirtualHidDevice.open(hidPosScanner);
  onTestFinished(() => far.close());
  const device = await new Seen().open(far.port);
  onTestFinished(() => device.close());
  await device.sendFeature(Uint8Array.of(0xfe, 1));
  await device.write(Uint8Array.of(4, 7));
  while (far.received.length < 2) await new Promise((resolve) => setImmediate(resolve));
  expect(far.received).toEqual([
    { kind: 'feature', bytes: Uint8Array.of(0xfe, 1) },
    { kind: 'output', bytes: Uint8Array.of(4, 7) },
  ]);
});

test('pulled out, it is lost once and takes nothing any more', async () => {
  const far = await VirtualHidDevice.open(hidPosScanner);
  const seen = new Seen();
  const device = await seen.open(far.port);
  await far.unplug();
  await seen.until(() => seen.lost.length > 0);
  expect(seen.lost).toMatchObject([{ code: 'DRV_PORT_LOST' }]);
  await expect(device.write(Uint8Array.of(0))).rejects.toMatchObject({ code: 'DRV_PORT_LOST' });
  await device.close();
  expect(seen.lost).toHaveLength(1);
  await expect(seen.open(far.port)).rejects.toMatchObject({ code: 'DRV_PORT_ABSENT' });
});

describe('what is no HID device', () => {
  test.each([
    ['another protocol', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a report before the introduction', writeHidMessage({ kind: 'input', bytes: Uint8Array.of(1) })],
    ['an introduction that is no JSON', writeHidMessage({ kind: 'identity', bytes: Buffer.from('{') })],
    [
      'an introduction of something else',
      writeHidMessage({ kind: 'identity', bytes: Buffer.from('{"vendorId":70000}') }),
    ],
    ['a message longer than any', Uint8Array.of(0x49, 0xff, 0xff)],
  ])('%s is not opened', async (_title, bytes) => {
    await expect(new Seen().open(await saying(bytes))).rejects.toMatchObject({ code: 'DRV_PORT_LOST' });
  });

  const introduction = writeHidMessage({
    kind: 'identity',
    bytes: Buffer.from(JSON.stringify(hidPosScanner)),
  });

  test.each([
    ['bytes', Buffer.from('nonsense')],
    ['a second introduction', introduction],
    ['a message only a till sends', writeHidMessage({ kind: 'output', bytes: Uint8Array.of(1) })],
  ])('%s right behind the introduction: it is not opened', async (_title, more) => {
    const port = await saying(Buffer.concat([introduction, more]));
    await expect(new Seen().open(port)).rejects.toMatchObject({ code: 'DRV_PORT_LOST' });
  });

  test('nonsense later on loses the device, once', async () => {
    const port = await saying(introduction, Buffer.from('nonsense'));
    const seen = new Seen();
    const device = await seen.open(port);
    onTestFinished(() => device.close());
    await device.write(Uint8Array.of(0));
    await seen.until(() => seen.lost.length > 0);
    expect(seen.lost).toMatchObject([{ code: 'DRV_PORT_LOST' }]);
  });
});

test('given up while it waits for the introduction, it opens nothing', async () => {
  const giveUp = new AbortController();
  const opening = new Seen().open(await saying(new Uint8Array(0)), giveUp.signal);
  setImmediate(() => giveUp.abort());
  await expect(opening).rejects.toBeInstanceOf(Error);
});

const message = fc.record({
  kind: fc.constantFrom('identity', 'input', 'feature', 'output'),
  bytes: fc.uint8Array({ maxLength: 80 }),
}) satisfies fc.Arbitrary<HidMessage>;

test('any split of the bytes gives the same messages', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 20 })),
      (messages, sizes) => {
        const bytes = Buffer.concat(messages.map(writeHidMessage));
        const reader = new HidMessageReader();
        const read: HidMessage[] = [];
        for (let from = 0, i = 0; from < bytes.length; i += 1) {
          const to = from + (sizes[i % Math.max(1, sizes.length)] ?? 1);
          const some = reader.push(bytes.subarray(from, to));
          if (some === 'broken') throw new Error('broken');
          read.push(...some);
          from = to;
        }
        expect(read).toEqual(messages);
      },
    ),
  );
});

test('no bytes whatever make the reader throw or hold more than a message', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
      const reader = new HidMessageReader();
      const read = chunks.map((chunk) => reader.push(chunk));
      expect(read.every((some) => some === 'broken' || Array.isArray(some))).toBe(true);
    }),
  );
});
