import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { acquireProcessLock } from '../../server/database/process-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'stammkunde-lock-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a second taker is told who holds the lock, until it is released', () => {
  const path = join(folder, 'held.lock');
  const lock = acquireProcessLock(path);
  expect(() => acquireProcessLock(path)).toThrow(`held by process ${process.pid} [DATA_IN_USE]`);
  lock.release();
  acquireProcessLock(path).release();
});

test.each([
  ['of a process that is gone', '4194304 12345'],
  ['of a process whose id another one has since', `${process.pid} 1`],
  ['that is empty', ''],
  ['that is noise', 'what is this'],
])('a lock %s is taken over', (_what, text) => {
  const path = join(folder, 'left.lock');
  writeFileSync(path, text);
  const lock = acquireProcessLock(path);
  expect(readFileSync(path, 'utf8')).toContain(`${process.pid}`);
  lock.release();
});

test('releasing a lock that was taken over leaves it to its new holder', () => {
  const path = join(folder, 'lost.lock');
  const lock = acquireProcessLock(path);
  writeFileSync(path, '1 1');
  lock.release();
  expect(readFileSync(path, 'utf8')).toBe('1 1');
});
