// Goal: a till that is killed while it loads a snapshot goes on where it was.
// Method: a process of its own that ends by SIGKILL after so many steps, until one run comes to the end.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { projectFile } from '../../../support/run-program.ts';
import { differences, madeBase, openSeedFile } from './seed-fixture.ts';

const CUSTOMERS = 1_500;

/** Runs the loading and kills it after it told of so many steps; `loaded` when it came to the end before. */
function load(file: string, killAfter: number): Promise<{ readonly end: string; readonly from: number }> {
  const child = spawn(
    process.execPath,
    [projectFile('test/edge/replica/seeding/seed-main.ts'), file, String(CUSTOMERS), String(killAfter)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    child.on('error', reject);
    child.on('close', (_code, signal) => {
      const begun = /^loading (\d+)$/m.exec(text)?.[1] ?? '-1';
      resolve({ end: signal ?? text.trimEnd().split('\n').at(-1) ?? '', from: Number(begun) });
    });
  });
}

test(
  'killed after any step, the loading goes on where it was, and nothing is missing',
  { timeout: 60_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'seeding-killed-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 'replica-000002.db.part');
    let kills = 0;
    let from = -1;
    for (let run = 0; run < 30; run += 1) {
      const { end, from: begun } = await load(path, run < 4 ? 2 + (run % 3) : Infinity);
      // What was there stays there.
      expect(begun < 0 || begun >= from).toBe(true);
      from = Math.max(from, begun);
      if (end === 'loaded') break;
      expect(end).toBe('SIGKILL');
      kills += 1;
    }
    expect(kills).toBeGreaterThanOrEqual(2);
    expect(from).toBeGreaterThan(0);
    const file = await openSeedFile(path);
    expect(differences(file, madeBase(CUSTOMERS))).toEqual([]);
    await file.close();
  },
);
