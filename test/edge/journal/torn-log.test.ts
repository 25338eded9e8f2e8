// Goal: a log whose end is torn or garbage costs the entry that was being written and no other.
// Method: copy the files of an open journal before and after its last entry, and cut or overwrite what came with it.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../../foundation/random.ts';
import { completedSale, openJournal, quickFolder } from './journal-fixture.ts';

/** https://sqlite.org/fileformat2.html, 4.1: header of the log, header of a frame, page. */
const [LOG_HEADER, FRAME_HEADER, PAGE] = [32, 24, 4_096];
const STRIDE = 331;

async function lastEntry(): Promise<{
  readonly file: Buffer;
  readonly before: number;
  readonly log: Buffer;
}> {
  const folder = quickFolder(onTestFinished);
  const journal = await openJournal(folder);
  for (let i = 0; i < 20; i += 1) journal.append(completedSale());
  const log = join(folder, 'journal.db-wal');
  const before = readFileSync(log).length;
  journal.append(completedSale());
  const files = { file: readFileSync(join(folder, 'journal.db')), before, log: readFileSync(log) };
  await journal.close();
  expect((files.log.length - LOG_HEADER) % (FRAME_HEADER + PAGE)).toBe(0);
  expect(files.log.length).toBeGreaterThan(before);
  return files;
}

/** Every byte of the heads of the frames, and some of the pages between them. */
function positions(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, i) => from + i).filter((at) => {
    const inFrame = (at - LOG_HEADER) % (FRAME_HEADER + PAGE);
    return inFrame < FRAME_HEADER + 2 || at % STRIDE === 0 || at === to - 1;
  });
}

async function lastSeqWith(root: string, file: Buffer, log: Buffer): Promise<number> {
  const folder = join(root, 'try');
  mkdirSync(folder);
  writeFileSync(join(folder, 'journal.db'), file);
  writeFileSync(join(folder, 'journal.db-wal'), log);
  const journal = await openJournal(folder, { random: new SeededRandom(77) });
  const { lastSeq } = journal;
  expect(journal.verify()).toBe(lastSeq);
  expect(journal.append(completedSale()).seq).toBe(lastSeq + 1);
  await journal.close();
  rmSync(folder, { recursive: true });
  return lastSeq;
}

describe('a log that ends in the middle of the last entry', () => {
  test('cut short anywhere, that entry never was', { timeout: 60_000 }, async () => {
    const { file, before, log } = await lastEntry();
    const root = quickFolder(onTestFinished);
    const found = new Set<number>();
    for (const at of positions(before, log.length))
      found.add(await lastSeqWith(root, file, log.subarray(0, at)));
    expect([...found]).toEqual([20]);
    expect(await lastSeqWith(root, file, log)).toBe(21);
  });

  test('overwritten with anything anywhere, that entry never was', { timeout: 60_000 }, async () => {
    const { file, before, log } = await lastEntry();
    const root = quickFolder(onTestFinished);
    const random = new SeededRandom(3);
    const found = new Set<number>();
    for (const at of positions(before, log.length)) {
      const garbled = Buffer.from(log);
      garbled[at] = (garbled[at] ?? 0) ^ (1 + Math.floor(random.next() * 255));
      found.add(await lastSeqWith(root, file, garbled));
    }
    expect([...found]).toEqual([20]);
  });
});
