// Goal: a disk that is really full loses nothing that was taken and takes nothing it cannot keep.
// Method: a file system of half a mebibyte, filled to the brim; it needs the right to mount one.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { isFault } from '../../../foundation/errors.ts';
import { completedSale, openJournal, temporaryFolder } from './journal-fixture.ts';

test('a full disk is told by its name, the entries before it stay, and it goes on when there is space', async (context) => {
  const folder = join(temporaryFolder(onTestFinished), 'small');
  mkdirSync(folder);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'none', folder]);
  if (mounted.status !== 0) context.skip('mounting a small file system is not permitted here');
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));

  const ballast = join(folder, 'ballast');
  writeFileSync(ballast, Buffer.alloc(128 * 1024));
  const journal = await openJournal(folder, { unconfirmedMax: 100_000 });
  let taken = 0;
  const fill = (): void => {
    for (; taken < 10_000; taken += 1) journal.append(completedSale());
  };
  expect(fill).toThrow(expect.objectContaining({ code: 'DATA_DISK_FULL' }));
  expect(taken).toBeGreaterThan(0);
  expect([journal.lastSeq, journal.verify()]).toEqual([taken, taken]);

  rmSync(ballast);
  expect(journal.append(completedSale()).seq).toBe(taken + 1);
  await journal.close();
  const again = await openJournal(folder, { unconfirmedMax: 100_000 });
  expect(again.verify()).toBe(taken + 1);
  await again.close();

  writeFileSync(ballast, Buffer.alloc(1));
  expect(() => {
    for (;;) writeFileSync(ballast, Buffer.alloc(4096), { flag: 'a' });
  }).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
  // What stands can be read or is refused by name; a new one cannot be made.
  const opened = await openJournal(folder).then(
    (journalOnFullDisk) => journalOnFullDisk.close().then(() => 'opened'),
    (error: unknown) => isFault(error) && error.code,
  );
  expect(['opened', 'DATA_DISK_FULL']).toContain(opened);
  await expect(openJournal(folder, { file: join(folder, 'other.db') })).rejects.toThrow(
    expect.objectContaining({ code: 'DATA_DISK_FULL' }),
  );
});
