// Does everything a journal does, and says after each step what stands by its word; its parent makes the disk fail.
import { writeSync } from 'node:fs';
import { RETENTION_MS } from '../../../edge/journal/journal.ts';
import type { Journal } from '../../../edge/journal/journal.ts';
import { isFault } from '../../../foundation/errors.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { completedSale, openJournal } from './journal-fixture.ts';
import type { FaultReport } from './fault-report.ts';

// `dying`: kills itself as soon as anything was refused.
const [folder = '', rounds = '1', dying] = process.argv.slice(2);
const clock = new ManualClock();
let journal: Journal | undefined;
let removed = 0;

const say = (step: string, code: string | null): void => {
  const { lastSeq = 0, confirmedSeq = 0 } = journal ?? {};
  const report: FaultReport = { step, code, lastSeq, confirmedSeq, removed };
  writeSync(1, `${JSON.stringify(report)}\n`);
  if (code !== null && dying !== undefined) process.kill(process.pid, 'SIGKILL');
};
async function attempt(step: string, work: (open: Journal) => unknown): Promise<void> {
  try {
    if (journal === undefined) throw new Error('no journal');
    await work(journal);
    say(step, null);
  } catch (error) {
    say(step, isFault(error) ? error.code : String(error));
  }
}

for (let i = 0; i < 3 && journal === undefined; i += 1) {
  try {
    journal = await openJournal(folder, { clock, random: new SystemRandom() });
    say('open', null);
  } catch (error) {
    say('open', isFault(error) ? error.code : String(error));
  }
}
for (let round = 0; round < Number(rounds); round += 1) {
  await attempt('append', (open) => open.append(completedSale(clock)));
  await attempt('append', (open) => open.append(completedSale(clock)));
  await attempt('confirm', (open) => open.confirm(open.lastSeq, clock.now()));
  await attempt('append', (open) => open.append(completedSale(clock)));
  await clock.advance(RETENTION_MS);
  await attempt('confirm', (open) => open.confirm(open.lastSeq, clock.now()));
  await attempt('remove-old', (open) => (removed += open.removeOld()));
  await attempt('append', (open) => open.append(completedSale(clock)));
}
await attempt('close', (open) => open.close());
