// Goal: wherever the process dies or the power goes, what was answered for is there, and nothing half.
// Method: watch every write and sync of a child that does all a journal does; then make the disk as it was after each of
// them, killed, without power, and torn, and open the journal on it.
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../../foundation/random.ts';
import { DiskModel, traceChild } from './disk-trace.ts';
import type { DiskState, DiskStep } from './disk-trace.ts';
import { completedSale, openJournal, quickFolder } from './journal-fixture.ts';
import { needStrace } from './need-strace.ts';

const TORN_STATES = 2;

describe('a journal, wherever it is interrupted', () => {
  let steps: readonly DiskStep[] = [];

  beforeAll(() => {
    let remove = (): void => {};
    const folder = quickFolder((end) => (remove = end));
    steps = traceChild(new URL('./fault-child.ts', import.meta.url), folder);
    remove();
  }, 60_000);

  test('all steps of a journal’s life were seen', (context) => {
    needStrace(context);
    const reports = steps.flatMap((step) => (step.kind === 'said' ? [step.report] : []));
    expect(reports.filter(({ code }) => code !== null)).toEqual([]);
    expect(reports.at(-1)).toMatchObject({ step: 'close', lastSeq: 4, confirmedSeq: 3, removed: 2 });
    expect(steps.filter(({ kind }) => kind === 'write').length).toBeGreaterThan(60);
  });

  const interruptions: readonly [string, (disk: DiskModel, random: SeededRandom) => readonly DiskState[]][] =
    [
      ['killed', (disk) => [disk.killed()]],
      ['without power', (disk) => [disk.powerCut()]],
      [
        'without power in the middle of writing',
        (disk, random) => Array.from({ length: TORN_STATES }, () => disk.torn(random)),
      ],
    ];
  test.for(interruptions)(
    '%s, it opens with what was answered for and nothing half',
    { timeout: 60_000 },
    async ([, statesOf], context) => {
      needStrace(context);
      const root = quickFolder(onTestFinished);
      const random = new SeededRandom(11);
      const disk = new DiskModel();
      const seen = new Set<string>();
      let stands = { lastSeq: 0, confirmedSeq: 0 };
      for (const [i, step] of steps.entries()) {
        disk.take(step);
        if (step.kind === 'said') stands = step.report;
        for (const state of statesOf(disk, random)) {
          const digest = `${digestOf(state)} ${stands.lastSeq} ${stands.confirmedSeq}`;
          if (seen.has(digest)) continue;
          seen.add(digest);
          const folder = join(root, String(seen.size));
          mkdirSync(folder);
          for (const [name, content] of state) writeFileSync(join(folder, name), content);
          const journal = await openJournal(folder, { random: new SeededRandom(1_000 + i) });
          // What was being written when it ended may be there, and no more.
          const { lastSeq, confirmedSeq } = journal;
          const fits =
            (lastSeq === stands.lastSeq || lastSeq === stands.lastSeq + 1) &&
            confirmedSeq >= stands.confirmedSeq &&
            confirmedSeq <= lastSeq;
          expect({ step: i, stands, lastSeq, confirmedSeq, fits }).toMatchObject({ fits: true });
          journal.append(completedSale());
          expect(journal.read(0, 100).at(-1)?.seq).toBe(lastSeq + 1);
          journal.verify();
          await journal.close();
          rmSync(folder, { recursive: true });
        }
      }
      expect(seen.size).toBeGreaterThan(15);
    },
  );
});

function digestOf(state: DiskState): string {
  const hash = createHash('sha256');
  for (const [name, content] of state) hash.update(`${name} ${content.length} `).update(content);
  return hash.digest('hex');
}
