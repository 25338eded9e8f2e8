// Goal: whatever a reader, a disk or a hand does to a till, it says so with a stable code, loses nothing and lives on,
// or, where it cannot live, says why.
// Method: the whole till with its real API and a real network scanner on loopback, without a server.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TillEvent } from '../../edge/api/events.ts';
import type { Till } from '../../edge/till.ts';
import { SystemClock } from '../../foundation/clock.ts';
import { VirtualTcpScanner } from '../../simulator/readers/virtual-tcp-scanner.ts';
import { TillClient } from '../../simulator/till-client.ts';
import { TillEvents } from '../../simulator/till-events.ts';
import { TillFolder } from './till-folder.ts';

type ScanEvent = Extract<TillEvent, { event: 'scan' }>;

const clock = new SystemClock();
const CR = '\r';
const HOUSE_CARD = '2903401987698';
const DEADLINE_MS = 10_000;

let scanner: VirtualTcpScanner;
let folder: TillFolder;

beforeEach(async () => {
  scanner = await VirtualTcpScanner.open();
  folder = new TillFolder(scanner.port);
});

afterEach(async () => {
  await scanner.close();
  folder[Symbol.dispose]();
});

/** A till that runs, its POS and its events; closed at the end of the test's scope. */
async function running(): Promise<
  AsyncDisposable & { readonly till: Till; readonly pos: TillClient; readonly events: TillEvents }
> {
  const till = await folder.open();
  const token = readFileSync(folder.file('api.token'), 'utf8').trim();
  const events = await TillEvents.open(till.apiUrl, token, clock);
  const connected = events.next('reader', ({ reader }) => reader.status === 'ready', DEADLINE_MS);
  if (events.hello.readers.every(({ status }) => status !== 'ready')) await connected;
  else connected.catch(() => {});
  return {
    till,
    pos: new TillClient(till.apiUrl, token),
    events,
    async [Symbol.asyncDispose]() {
      await events.close();
      await till.close();
    },
  };
}

async function scanned(events: TillEvents, bytes: Uint8Array | string): Promise<ScanEvent['outcome']> {
  const heard = events.next('scan', () => true, DEADLINE_MS);
  await scanner.send(Buffer.from(bytes));
  return (await heard).outcome;
}

describe('what a reader sends', () => {
  test.each([
    ['binary', Buffer.from([0x00, 0xff, 0x80, 0x07, 0x0d]), { kind: 'unreadable', code: 'REC_NOT_TEXT' }],
    ['invalid UTF-8', Buffer.from([0x41, 0xc3, 0x28, 0x0d]), { kind: 'unreadable', code: 'REC_NOT_TEXT' }],
    ['control characters', `AB\x1b[31mCD${CR}`, { kind: 'unreadable', code: 'REC_NOT_TEXT' }],
    ['more than 512 bytes', `${'7'.repeat(513)}${CR}`, { kind: 'unreadable', code: 'REC_TOO_LONG' }],
    [
      'a card with a wrong check digit',
      `]E02903401987699${CR}`,
      { kind: 'unreadable', code: 'REC_CHECK_DIGIT' },
    ],
    ['a payment card', `4111111111111111${CR}`, { kind: 'refused', code: 'PAN_REJECTED', reason: 'pan' }],
    [
      'a payment card’s stripe',
      `;4111111111111111=30121011000?${CR}`,
      { kind: 'refused', code: 'PAN_REJECTED', reason: 'track' },
    ],
    [
      'a product',
      `]E04006381333931${CR}`,
      { kind: 'product', code: '4006381333931', symbology: 'ean-13', aim: ']E0', passedOn: 'event' },
    ],
    [
      'a script',
      `<script>alert(1)</script>${CR}`,
      { kind: 'product', code: '<script>alert(1)</script>', symbology: 'unknown', passedOn: 'event' },
    ],
  ])('%s is told as what it is, and the next card is read', async (_what, bytes, outcome) => {
    await using shop = await running();
    expect(await scanned(shop.events, bytes)).toEqual(outcome);
    expect(await scanned(shop.events, `]E0${HOUSE_CARD}${CR}`)).toEqual({
      kind: 'credential',
      credential: 'card …7698',
      scheme: 'house-card',
    });
  });

  test('ten megabytes without a terminator are noise, and the card after them is read', async () => {
    await using shop = await running();
    const heard = shop.events.next('scan', () => true, DEADLINE_MS);
    const block = Buffer.alloc(1 << 20, 0x37);
    for (let i = 0; i < 10; i += 1) await scanner.send(block);
    await scanner.send(Buffer.from(`${CR}]E0${HOUSE_CARD}${CR}`));
    expect((await heard).outcome).toMatchObject({ kind: 'credential' });
  });

  test('no digit of a payment card reaches a file or a log line, however it was presented', async () => {
    const shop = await running();
    const heard: string[] = [];
    for (const pan of ['4111111111111111', '5555555555554444', '6759649826438453']) {
      for (const text of [pan, pan.replace(/(.{4})/g, '$1 ').trim(), pan.replace(/(.{4})/g, '$1-')]) {
        heard.push(JSON.stringify(await scanned(shop.events, `${text}${CR}`)));
      }
      await expect(shop.pos.identify(pan)).rejects.toThrow('PAN_REJECTED');
    }
    const saleId = folder.newId();
    await shop.pos.openSale(saleId);
    const line = { id: '1', article: '4111111111111111', quantityMilli: 1_000, totalMinor: 100 };
    await expect(
      shop.pos.putBasket(saleId, { currency: 'EUR', lines: [line], totalMinor: 100 }),
    ).rejects.toThrow('PAN_REJECTED');
    await shop.events.close();
    await shop.till.close();
    const files = readdirSync(folder.path, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const everything = [
      ...heard,
      JSON.stringify(folder.logged),
      ...files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')),
    ].join('\n');
    for (const digits of ['41111111', '55555555', '67596498']) expect(everything).not.toContain(digits);
    expect(folder.logged.filter(({ event }) => event === 'scan.payment-card-refused')).toHaveLength(9);
  });
});

describe('a till that cannot start says why', () => {
  test('a second daemon on the same data folder', async () => {
    await using _first = await running();
    await expect(folder.open()).rejects.toThrow('DATA_IN_USE');
  });

  test.each([['till.key'], ['identifier.key'], ['till.token']])('%s that others may read', async (name) => {
    chmodSync(folder.file(name), 0o644);
    await expect(folder.open()).rejects.toThrow('KEY_EXPOSED');
  });

  test.each([['till.key'], ['identifier.key'], ['signing.pub.pem'], ['api.token']])(
    '%s that is missing',
    async (name) => {
      rmSync(folder.file(name));
      await expect(folder.open()).rejects.toThrow('KEY_UNREADABLE');
    },
  );

  test('another till’s key: the journal stays as it is', async () => {
    await (await folder.open()).close();
    const journal = readFileSync(folder.file('data/journal.db'));
    writeFileSync(folder.file('till.key'), `${Buffer.alloc(32, 7).toString('base64url')}\n`);
    await expect(folder.open()).rejects.toThrow('JRN_WRONG_KEY');
    expect(readFileSync(folder.file('data/journal.db'))).toEqual(journal);
  });

  test('a damaged journal, which is never thrown away', async () => {
    await (await folder.open()).close();
    const path = folder.file('data/journal.db');
    const bytes = readFileSync(path);
    for (let at = 4_096; at < bytes.length; at += 997) bytes[at] = (bytes[at] ?? 0) ^ 0x55;
    writeFileSync(path, bytes);
    await expect(folder.open()).rejects.toThrow('JRN_CORRUPT');
    expect(readFileSync(path)).toEqual(bytes);
  });

  test('a data folder that is a file', async () => {
    writeFileSync(folder.file('data'), 'in the way');
    await expect(folder.open()).rejects.toThrow('DATA_UNWRITABLE');
  });

  test('a port that is taken', async () => {
    await using shop = await running();
    const other = new TillFolder(scanner.port);
    try {
      const port = Number(new URL(shop.till.apiUrl).port);
      await expect(other.open({ ...other.config, api: { ...other.config.api, port } })).rejects.toThrow(
        'PORT_IN_USE',
      );
    } finally {
      other[Symbol.dispose]();
    }
  });
});

describe('a till whose files went wrong', () => {
  test.each(['truncated', 'overwritten'])(
    'a replica file %s is set aside and loaded anew; the till serves',
    async (how) => {
      await (await folder.open()).close();
      const replica = folder.file('data/replica/replica-000001.db.part');
      if (how === 'truncated') truncateSync(replica, 1_000);
      else copyFileSync(folder.file('signing.pub.pem'), replica);
      await using shop = await running();
      const { sync } = await shop.pos.status();
      expect(sync.replica).toMatchObject({ ready: false, customers: 0, caughtUpAt: null, ageMs: null });
      expect(readdirSync(folder.file('data/replica')).some((name) => name.includes('damaged'))).toBe(true);
    },
  );

  test('a full disk: nothing is taken, the sale stays open, and goes on once there is room', async (context) => {
    const data = folder.file('data');
    try {
      execFileSync('mkdir', [data]);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', data], { stdio: 'pipe' });
    } catch {
      context.skip('a small file system cannot be mounted here (needs root)');
    }
    try {
      await using shop = await running();
      const saleId = folder.newId();
      await shop.pos.openSale(saleId);
      await shop.pos.putBasket(saleId, { currency: 'EUR', lines: [], totalMinor: 0 });
      fill(join(data, 'filler'));
      const lines = Array.from({ length: 1_000 }, (_each, i) => ({
        id: String(i),
        article: 'A'.repeat(60),
        quantityMilli: 1_000,
        totalMinor: 1,
      }));
      await expect(shop.pos.putBasket(saleId, { currency: 'EUR', lines, totalMinor: 1_000 })).rejects.toThrow(
        'DATA_DISK_FULL',
      );
      expect(await shop.pos.sale(saleId)).toMatchObject({
        status: 'open',
        basket: { lines: [] },
        entry: null,
      });
      rmSync(join(data, 'filler'));
      await shop.pos.putBasket(saleId, { currency: 'EUR', lines, totalMinor: 1_000 });
      expect(await shop.pos.complete(saleId)).toMatchObject({ status: 'completed', entry: { seq: 1 } });
    } finally {
      execFileSync('umount', [data]);
    }
  });
});

/** Takes what is left of a file system, to the last block. */
function fill(path: string): void {
  for (const size of [65_536, 4_096]) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: 'a' });
    } catch {
      // Full for blocks of this size.
    }
  }
}
