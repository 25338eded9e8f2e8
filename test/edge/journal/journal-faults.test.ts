// Goal: a disk that fails takes nothing that was answered for and keeps nothing that was refused; the journal goes on by
// itself when the disk does.
// Method: a child does all a journal does again and again, and `strace` makes its system calls fail.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../../foundation/random.ts';
import { traceChild } from './disk-trace.ts';
import type { FaultReport } from './fault-report.ts';
import { completedSale, openJournal, quickFolder } from './journal-fixture.ts';
import { needStrace } from './need-strace.ts';

const ROUNDS = 6;
/** Writes of the beginning: making the file, up to where it stands in its place. */
let writesToOpen = 0;

beforeAll(() => {
  let remove = (): void => {};
  const folder = quickFolder((end) => (remove = end));
  const steps = traceChild(new URL('./fault-child.ts', import.meta.url), folder);
  const opened = steps.findIndex(({ kind }) => kind === 'said');
  writesToOpen = steps.slice(0, opened).filter(({ kind }) => kind === 'write').length;
  remove();
}, 60_000);

/** @param inject as strace takes it: `fsync:error=EIO:when=3+2` */
async function runWith(
  folder: string,
  inject: string,
  rounds = ROUNDS,
  dying = false,
): Promise<FaultReport[]> {
  const script = new URL('./fault-child.ts', import.meta.url).pathname;
  const child = spawn(
    'strace',
    [
      ...'-f -qq -o /dev/null -e trace=pwrite64,fsync,ftruncate,rename,unlink -e'.split(' '),
      `inject=${inject}`,
      process.execPath,
      script,
      folder,
      String(rounds),
      ...(dying ? ['dying'] : []),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(child, 'close');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FaultReport); // our own child's words
}

/** What the child said that it may not say: of a refused step that something changed, or of another that it did not. */
function contradictions(reports: readonly FaultReport[], codes: readonly string[]): readonly FaultReport[] {
  return reports.filter(({ step, code, lastSeq, confirmedSeq }, i) => {
    const before = reports[i - 1] ?? { lastSeq: 0, confirmedSeq: 0 };
    if (code !== null)
      return !codes.includes(code) || lastSeq !== before.lastSeq || confirmedSeq !== before.confirmedSeq;
    const appended = step === 'append' ? 1 : 0;
    return lastSeq !== before.lastSeq + appended || (step === 'confirm' && confirmedSeq !== lastSeq);
  });
}

const refusedIn = (reports: readonly FaultReport[]): readonly FaultReport[] =>
  reports.filter(({ code }) => code !== null);

async function expectStands(folder: string, last: FaultReport | undefined): Promise<void> {
  const journal = await openJournal(folder, { random: new SeededRandom(500) });
  expect([journal.lastSeq, journal.confirmedSeq]).toEqual([last?.lastSeq, last?.confirmedSeq]);
  journal.verify();
  expect(journal.append(completedSale()).seq).toBe((last?.lastSeq ?? 0) + 1);
  await journal.close();
}

describe('a disk that fails now and then', () => {
  test.for<readonly [string, number, () => string, readonly string[]]>([
    ['a write fails', 2, () => `pwrite64:error=EIO:when=${writesToOpen + 8}+13`, ['DATA_UNWRITABLE']],
    [
      'there is no space for a write',
      2,
      () => `pwrite64:error=ENOSPC:when=${writesToOpen + 9}+11`,
      ['DATA_DISK_FULL'],
    ],
    ['a sync fails', 2, () => 'fsync:error=EIO:when=11+5', ['DATA_UNWRITABLE']],
    ['the log cannot be cut', 0, () => 'ftruncate:error=EIO:when=4+2', ['DATA_UNWRITABLE']],
  ])(
    'when %s, what was refused is not there and what was taken is',
    { timeout: 60_000 },
    async ([, refusedMin, inject, codes], context) => {
      needStrace(context);
      const folder = quickFolder(onTestFinished);
      const reports = await runWith(folder, inject());
      expect(contradictions(reports, codes)).toEqual([]);
      expect(refusedIn(reports).length).toBeGreaterThanOrEqual(refusedMin);
      expect(reports.at(-1)?.lastSeq).toBeGreaterThan(2);
      await expectStands(folder, reports.at(-1));
    },
  );

  test(
    'a disk that takes nothing for a while refuses all of that time, and goes on by itself',
    { timeout: 60_000 },
    async (context) => {
      needStrace(context);
      const folder = quickFolder(onTestFinished);
      // What a file system says that has made itself read-only under an open file.
      const from = writesToOpen + 20;
      const reports = await runWith(folder, `pwrite64:error=EROFS:when=${from}..${from + 12}`);
      expect(contradictions(reports, ['DATA_UNWRITABLE'])).toEqual([]);
      expect(refusedIn(reports).length).toBeGreaterThan(5);
      const afterwards = reports.slice(reports.findLastIndex(({ code }) => code !== null) + 1);
      expect(afterwards.filter(({ step }) => step === 'append').length).toBeGreaterThan(0);
      await expectStands(folder, reports.at(-1));
    },
  );

  test(
    'a sync that failed leaves nothing behind that a later start takes for an entry',
    { timeout: 60_000 },
    async (context) => {
      needStrace(context);
      let appends = 0;
      for (const when of [13, 14, 15]) {
        const folder = quickFolder(onTestFinished);
        const reports = await runWith(folder, `fsync:error=EIO:when=${when}`, 1, true);
        expect(contradictions(reports, ['DATA_UNWRITABLE'])).toEqual([]);
        const [refused] = refusedIn(reports);
        if (refused?.step === 'append') appends += 1;
        await expectStands(folder, refused ?? reports.at(-1));
      }
      expect(appends).toBeGreaterThan(0);
    },
  );
});

test.for([
  ['pwrite64:error=EIO:when=1', ['DATA_UNWRITABLE']],
  ['pwrite64:error=ENOSPC:when=9', ['DATA_DISK_FULL']],
  ['pwrite64:error=EIO:when=38', ['DATA_UNWRITABLE']],
  ['fsync:error=EIO:when=5', ['DATA_UNWRITABLE']],
  ['rename:error=EIO:when=1', ['DATA_UNWRITABLE']],
] as const)(
  'a journal that could not be begun (%s) is begun at the next start',
  { timeout: 60_000 },
  async ([inject, codes], context) => {
    needStrace(context);
    const folder = quickFolder(onTestFinished);
    const reports = await runWith(folder, inject, 1);
    expect(contradictions(reports, codes)).toEqual([]);
    expect(refusedIn(reports).map(({ step }) => step)).toEqual(['open']);
    await expectStands(folder, reports.at(-1));
  },
);

test('a folder that became read-only is told by its name, and used again when it is writable', async (context) => {
  const folder = join(quickFolder(onTestFinished), 'mounted');
  mkdirSync(folder);
  const mount = (...options: string[]): boolean => spawnSync('mount', [...options, folder]).status === 0;
  if (!mount('-t', 'tmpfs', '-o', 'size=4m', 'none'))
    context.skip('mounting a file system is not permitted here');
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  const journal = await openJournal(folder);
  journal.append(completedSale());
  await journal.close();
  expect(mount('-o', 'remount,ro')).toBe(true);
  await expect(openJournal(folder)).rejects.toThrow(expect.objectContaining({ code: 'DATA_UNWRITABLE' }));
  expect(mount('-o', 'remount,rw')).toBe(true);
  const again = await openJournal(folder, { random: new SeededRandom(8) });
  expect(again.append(completedSale()).seq).toBe(2);
  await again.close();
});
