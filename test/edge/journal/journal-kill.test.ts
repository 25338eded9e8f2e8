// Goal: what append returned survives the death of the process. Method: a child prints each sequence after append
// returned and is killed in the middle, again and again over the same file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { openJournal, temporaryFolder } from './journal-fixture.ts';

async function appendUntilKilled(folder: string, lines: number): Promise<number> {
  const script = new URL('./append-child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  let text = '';
  let killed = false;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (killed || text.split('\n').length <= lines) return;
    killed = true;
    child.kill('SIGKILL');
  });
  await closed;
  expect(killed).toBe(true);
  return Math.max(...text.slice(0, text.lastIndexOf('\n')).split('\n').map(Number));
}

test('every entry that append returned is there after a kill -9 in the middle, and the chain is whole', async () => {
  const folder = temporaryFolder(onTestFinished);
  let before = 0;
  for (const lines of [1, 40, 200, 7]) {
    const printed = await appendUntilKilled(folder, lines);
    const journal = await openJournal(folder);
    expect(journal.lastSeq).toBeGreaterThanOrEqual(printed);
    // At most the one entry whose number could not be printed any more.
    expect(journal.lastSeq).toBeLessThanOrEqual(printed + 1);
    expect(printed).toBeGreaterThan(before);
    expect(journal.verify()).toBe(journal.lastSeq);
    before = journal.lastSeq;
    await journal.close();
  }
});
