// Goal: wherever the process dies or the power goes, a till has not forgotten what it gave out without the server, and
// has not noted more than it sold.
// Method: watch every write and sync of a child; make the disk as it was after each of them, killed, without power, and
// torn: what the journal says is what it said after one of the two steps around that moment, never a mixture.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../../foundation/random.ts';
import { standing } from './allowance-standing.ts';
import type { AllowanceStanding } from './allowance-standing.ts';
import { DiskModel, traceChild } from './disk-trace.ts';
import { openJournal, quickFolder } from './journal-fixture.ts';
import { needStrace } from './need-strace.ts';

const TORN_STATES = 2;
const NOTHING: AllowanceStanding = { lastSeq: 0, confirmedSeq: 0, version: 0, used: 0 };

test(
  'at every write and sync, sale and points given out are there together or not at all',
  { timeout: 60_000 },
  async (context) => {
    needStrace(context);
    const root = quickFolder(onTestFinished);
    const watched = join(root, 'watched');
    mkdirSync(watched);
    const steps = traceChild(new URL('./allowance-child.ts', import.meta.url), watched);
    // Our own child's words, which say more than the others'.
    const told = steps.flatMap((step) =>
      step.kind === 'said' ? [step.report as unknown as AllowanceStanding] : [],
    );
    expect(told.map(({ version, used }) => [version, used])).toEqual([
      [0, 0],
      [1, 0],
      [1, 100],
      [1, 130],
      [1, 130],
      [2, 30],
      [2, 37],
      [0, 37],
    ]);

    const disk = new DiskModel();
    const random = new SeededRandom(5);
    const seen = new Set<string>();
    let said = 0;
    for (const step of steps) {
      disk.take(step);
      if (step.kind === 'said') said += 1;
      const [before = NOTHING, after = before] = [told[said - 1], told[said]];
      const torn = Array.from({ length: TORN_STATES }, () => disk.torn(random));
      for (const state of [disk.killed(), disk.powerCut(), ...torn]) {
        const folder = join(root, 'disk');
        mkdirSync(folder);
        for (const [name, content] of state) writeFileSync(join(folder, name), content);
        const journal = await openJournal(folder);
        const found = standing(journal);
        await journal.close();
        rmSync(folder, { recursive: true });
        const { lastSeq, confirmedSeq, version, used } = found;
        seen.add(`${lastSeq} ${confirmedSeq} ${version} ${used}`);
        expect([before, after]).toContainEqual(expect.objectContaining(found));
      }
    }
    expect(seen.size).toBe(8);
  },
);
