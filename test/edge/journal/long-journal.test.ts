// Goal: a till that was alone for long starts as fast, and with as little memory, as any other.
// Method: count what is read from the disk at the start, of a short journal and of one a hundred times as long.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../../foundation/random.ts';
import { KEY, completedSale, openJournal, quickFolder } from './journal-fixture.ts';
import { fillJournal } from './fill-journal.ts';

const IO = '/proc/self/io';
const readBytes = (): number => Number(/rchar: (\d+)/.exec(readFileSync(IO, 'utf8'))?.[1]);

async function bytesReadToOpen(entries: number): Promise<{ readonly read: number; readonly size: number }> {
  const folder = quickFolder(onTestFinished);
  const file = join(folder, 'journal.db');
  fillJournal(file, KEY, { till: 'till-1', entries, confirmed: 0 });
  const before = readBytes();
  const journal = await openJournal(folder, { unconfirmedMax: 1_000_000, random: new SeededRandom(entries) });
  expect(journal.unconfirmed).toBe(entries);
  expect(journal.unconfirmedLinks(100)).toEqual([]);
  expect(journal.openSales.all()).toEqual([]);
  expect(journal.openSales.paidWith(randomUUID())).toBeUndefined();
  expect(journal.openSales.returnsOf(randomUUID())).toEqual([]);
  expect(journal.append(completedSale()).seq).toBe(entries + 1);
  expect(journal.read(0, 200)).toHaveLength(200);
  expect(journal.read(entries - 200, 200)).toHaveLength(200);
  const read = readBytes() - before;
  await journal.close();
  return { read, size: statSync(file).size };
}

test(
  'what is read to open a journal, to add to it and to send of it does not grow with its length',
  { timeout: 60_000 },
  async (context) => {
    if (!existsSync(IO)) context.skip('there is no /proc/self/io here');
    const short = await bytesReadToOpen(20_000);
    const long = await bytesReadToOpen(60_000);
    expect(long.size).toBeGreaterThan(2.5 * short.size);
    expect(long.read).toBeLessThan(short.read * 1.2);
    expect(long.read).toBeLessThan(long.size / 8);
  },
);
