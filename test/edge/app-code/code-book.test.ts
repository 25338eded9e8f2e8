// Goal: what was taken stays taken, whatever happens to process and file. Method: real files; a child that is killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ManualClock } from '../../support/manual-clock.ts';
import {
  codeIn,
  codeOf,
  enrolled,
  openBook,
  openVerifier,
  phone,
  temporaryFolder,
} from './app-code-fixture.ts';

const NOW = Date.UTC(2026, 10, 22, 12);

/** The codes a child said it had taken before it was killed. */
async function takeUntilKilled(folder: string, lines: number): Promise<string[]> {
  const script = new URL('./note-child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, folder, String(NOW)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
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
  return text.slice(0, text.lastIndexOf('\n')).split('\n');
}

test('a code that was taken is a replay after kill -9', async () => {
  const folder = temporaryFolder(onTestFinished);
  for (const lines of [1, 30]) {
    const taken = await takeUntilKilled(folder, lines);
    const clock = new ManualClock(NOW + 1_000);
    const { verifier, book } = openVerifier(folder, clock);
    const held = enrolled(phone(clock));
    for (const hex of taken) {
      expect(verifier.verify(codeIn(Buffer.from(hex, 'hex')), held)).toEqual({
        kind: 'refused',
        code: 'REPLAY',
      });
    }
    await book.close();
    // The phone of the next round makes the same nonces again.
    rmSync(join(folder, 'app-codes.db'));
  }
});

test('a code is a replay after an ordinary restart, for twice as long as it could be taken', async () => {
  const folder = temporaryFolder(onTestFinished);
  const clock = new ManualClock(NOW);
  const annas = phone(clock);
  const code = codeOf(annas);
  const first = openBook(folder);
  expect(first.note(code, NOW + 180_000)).toBe('fresh');
  await first.close();
  await first.close();
  const second = openBook(folder);
  second.prune(NOW + 180_000);
  expect(second.note(code, NOW + 180_000)).toBe('seen');
  second.prune(NOW + 180_001);
  expect(second.note(code, NOW + 180_000)).toBe('fresh');
  await second.close();
});

test('a file that is damaged, or of another key, is set aside, and what it may have known is not trusted', async () => {
  for (const spoil of [
    (file: string) => writeFileSync(file, readFileSync(file).fill(0x5a, 0, 4_096)),
    (file: string) => writeFileSync(file, 'short'),
    (file: string) => writeFileSync(file, ''),
  ]) {
    const folder = temporaryFolder(onTestFinished);
    const file = join(folder, 'app-codes.db');
    await openBook(folder).close();
    spoil(file);
    const clock = new ManualClock(NOW);
    const { verifier, book } = openVerifier(folder, clock, { now: NOW });
    expect(existsSync(`${file}.damaged`)).toBe(true);
    expect(book.completeFrom).toBe(NOW);
    const annas = phone(clock);
    const held = enrolled(annas);
    expect(verifier.verify(codeOf(annas), held)).toMatchObject({
      credential: { trust: 'L1' },
      downgrade: 'not-remembered',
    });
    await clock.advance(30_000);
    expect(verifier.verify(codeOf(annas), held)).toMatchObject({ credential: { trust: 'L3' } });
    await book.close();
  }
});

test('a file that is gone from a till that ran before is one that was lost', async () => {
  const folder = temporaryFolder(onTestFinished);
  const book = openBook(folder, { now: NOW, isFirstStart: false });
  expect(book.completeFrom).toBe(NOW);
  await book.close();
});

test('another key opens nothing of it', async () => {
  const folder = temporaryFolder(onTestFinished);
  const clock = new ManualClock(NOW);
  const code = codeOf(phone(clock));
  const book = openBook(folder);
  book.note(code, NOW + 1_000);
  await book.close();
  const other = openBook(folder, { key: Buffer.alloc(32, 1), now: NOW });
  expect(other.count).toBe(0);
  expect(other.completeFrom).toBe(NOW);
  await other.close();
});

test('the file holds neither code nor key id in the clear', async () => {
  const folder = temporaryFolder(onTestFinished);
  const clock = new ManualClock(NOW);
  const annas = phone(clock);
  const code = codeOf(annas);
  const book = openBook(folder);
  book.note(code, NOW + 1_000);
  await book.close();
  const bytes = readFileSync(join(folder, 'app-codes.db'));
  expect(bytes.includes(Buffer.from(annas.keyId, 'hex'))).toBe(false);
  expect(bytes.includes(Buffer.from(code.head))).toBe(false);
  expect(bytes.includes('SQLite format')).toBe(false);
});

test('the last reliable time survives a restart', async () => {
  const folder = temporaryFolder(onTestFinished);
  const book = openBook(folder);
  expect(book.trustedAt).toBe(0);
  book.trust(NOW);
  await book.close();
  const again = openBook(folder);
  expect(again.trustedAt).toBe(NOW);
  await again.close();
});
