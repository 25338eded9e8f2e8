import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { acquireProcessLock } from '../../server/database/process-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'stammkunde-lock-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const module = new URL('../../server/database/process-lock.ts', import.meta.url).href;
const TAKER = `
  import { acquireProcessLock } from ${JSON.stringify(module)};
  process.stdin.once('data', () => {
    try { acquireProcessLock(process.argv[1]); console.log('won'); } catch (error) { console.log(error.code); }
  });
  console.log('ready');`;

/** Another process that takes the lock when told to, says how that went, and keeps it. */
class Taker {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(path: string) {
    this.child = spawn(process.execPath, ['--input-type=module-typescript', '-e', TAKER, path], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    children.push(this.child);
    if (this.child.stdout === null) throw new Error('no output');
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async next(): Promise<string> {
    return String((await this.#lines.next()).value);
  }

  take(): void {
    this.child.stdin?.write('\n');
  }

  async kill(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

test('a second taker is told who holds the lock, until it is released', () => {
  const path = join(folder, 'held.lock');
  const lock = acquireProcessLock(path);
  expect(() => acquireProcessLock(path)).toThrow(
    `${path} is held by process ${process.pid}; end it first [DATA_IN_USE]`,
  );
  lock.release();
  lock.release();
  acquireProcessLock(path).release();
});

test.each([
  ['of a process whose id another one has since', `${process.pid}`],
  ['that is empty', ''],
  ['that is noise', 'what is this'],
])('a lock %s is taken over: what the file says decides nothing', (_what, text) => {
  const path = join(folder, 'left.lock');
  writeFileSync(path, text);
  const lock = acquireProcessLock(path);
  expect(() => acquireProcessLock(path)).toThrow(`held by process ${process.pid};`);
  lock.release();
  expect(existsSync(path)).toBe(false);
});

test('the lock of a process that was killed is free, and of many who then want it one gets it', async () => {
  const path = join(folder, 'raced.lock');
  const holder = new Taker(path);
  await holder.next();
  holder.take();
  expect(await holder.next()).toBe('won');
  expect(() => acquireProcessLock(path)).toThrow(`held by process ${holder.child.pid};`);
  await holder.kill();

  const takers = Array.from({ length: 6 }, () => new Taker(path));
  for (const taker of takers) expect(await taker.next()).toBe('ready');
  for (const taker of takers) taker.take();
  const outcomes = await Promise.all(takers.map((taker) => taker.next()));
  expect(outcomes.toSorted()).toEqual([...Array<string>(5).fill('DATA_IN_USE'), 'won']);
});

test('a folder that cannot be written is said to be so', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => acquireProcessLock(join(folder, 'file', 'x.lock'))).toThrow('DATA_UNWRITABLE');
  writeFileSync(join(folder, 'foreign.lock.sqlite'), 'this is no database of ours, and long enough to tell');
  expect(() => acquireProcessLock(join(folder, 'foreign.lock'))).toThrow('DATA_UNWRITABLE');
});
