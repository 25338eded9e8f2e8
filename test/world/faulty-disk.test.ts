// Goal: the simulated disk loses what a real one would, and no more. Method: a real journal on it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Journal } from '../../edge/journal/journal.ts';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../foundation/random.ts';
import { FaultyDisk, Killed } from '../../simulator/world/faulty-disk.ts';
import { ManualClock } from '../support/manual-clock.ts';

let folder: string;
const random = new SeededRandom(1);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stammkunde-disk-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function openOn(disk: FaultyDisk): Promise<Journal> {
  disk.revive();
  return Journal.open({
    file: disk.file,
    key: new Uint8Array(32).fill(7),
    till: 'till-1',
    clock: new ManualClock(),
    random,
    log: silentLog,
    unconfirmedMax: 100,
    openFile: disk.openFile,
  });
}

function append(journal: Journal): void {
  const saleId = uuidV7(1, random);
  journal.append({ kind: 'sale.voided', saleId, storeId: 's1', at: 1, completed: null });
}

test.for(['SQLITE_FULL', 'SQLITE_READONLY'] as const)(
  'a journal on a disk that says %s can be read and delivered over one connection after the other',
  async (fault) => {
    const disk = new FaultyDisk(folder);
    const journal = await openOn(disk);
    append(journal);
    const session = journal.nextSession();
    disk.fault = fault;
    expect(() => append(journal)).toThrow(/DATA_/);
    expect([journal.nextSession(), journal.nextSession()]).toEqual([session + 1, session + 2]);
    expect(journal.read(0, 10)).toHaveLength(1);
    disk.fault = undefined;
    expect(journal.nextSession()).toBe(session + 3);
    await journal.close();
    expect((await openOn(disk)).nextSession()).toBe(session + 4);
  },
);

test('what was synced outlives a power cut', async () => {
  const disk = new FaultyDisk(folder);
  append(await openOn(disk));
  disk.kill('power');
  expect((await openOn(disk)).lastSeq).toBe(1);
});

test('what was not synced outlives a kill, and is lost with the power', async () => {
  const disk = new FaultyDisk(folder, false);
  const journal = await openOn(disk);
  append(journal);
  disk.sync();
  append(journal);
  disk.kill('kill');
  const again = await openOn(disk);
  expect(again.lastSeq).toBe(2);
  append(again);
  disk.kill('power');
  expect((await openOn(disk)).lastSeq).toBe(2);
});

test('whoever is killed in a commit has all of it or nothing, and nothing it still does has an effect', async () => {
  const outcomes = new Set<number>();
  for (let calls = 1; calls <= 4; calls += 1) {
    const disk = new FaultyDisk(join(folder, String(calls)));
    const journal = await openOn(disk);
    append(journal);
    disk.onKill = () => disk.kill('torn', disk.diedInCommit);
    disk.killAfterCalls = calls;
    expect(() => {
      append(journal);
      append(journal);
    }).toThrow(Killed);
    expect(() => append(journal)).toThrow(Killed);
    const again = await openOn(disk);
    expect(again.verify()).toBe(again.lastSeq);
    outcomes.add(again.lastSeq);
  }
  expect(outcomes).toEqual(new Set([1, 2]));
});

test('a full disk takes nothing, and is said to be full', async () => {
  const disk = new FaultyDisk(folder);
  const journal = await openOn(disk);
  disk.fault = 'SQLITE_FULL';
  expect(() => append(journal)).toThrow(/DATA_DISK_FULL/);
  disk.fault = undefined;
  append(journal);
  expect(journal.lastSeq).toBe(1);
});
