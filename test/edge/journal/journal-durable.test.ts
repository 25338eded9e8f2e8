// Goal: append returns only when the disk has the entry, not merely the kernel: a power cut takes what was not synced.
// Method: watch the system calls of a child; every number it prints must come after a sync of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from './journal-fixture.ts';
import { needStrace } from './need-strace.ts';

test('between any two answers the file was synced', async (context) => {
  needStrace(context);
  const folder = temporaryFolder(onTestFinished);
  const trace = join(folder, 'trace');
  const script = new URL('./append-child.ts', import.meta.url).pathname;
  const child = spawn(
    'strace',
    ['-f', '-qq', '-o', trace, '-e', 'trace=fsync,fdatasync,write', process.execPath, script, folder, '20'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  child.stdout.resume();
  await once(child, 'close');

  const calls = readFileSync(trace, 'utf8').split('\n');
  let synced = 0;
  const syncsBefore: number[] = [];
  for (const call of calls) {
    if (/ f(?:data)?sync\(/.test(call)) synced += 1;
    if (!/ write\(1, "\d+\\n"/.test(call)) continue;
    syncsBefore.push(synced);
    synced = 0;
  }
  expect(syncsBefore).toHaveLength(20);
  expect(Math.min(...syncsBefore)).toBeGreaterThan(0);
});
