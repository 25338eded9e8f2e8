// Goal: a power cut while the second key is made leaves a till that starts.
// Method: the disk fails at the moment the power would go; then the next start is made on what is left.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type * as FileSystem from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { withWipeKey } from '../../edge/wipe-key.ts';
import { SeededRandom } from '../../foundation/random.ts';

const power = vi.hoisted(() => ({ goesAt: '' }));
vi.mock('node:fs', async (original) => {
  const real = await original<typeof FileSystem>();
  const until =
    <A extends readonly unknown[], R>(name: string, call: (...args: A) => R) =>
    (...args: A): R => {
      if (power.goesAt === name) throw new Error(`the power is gone at ${name}`);
      return call(...args);
    };
  return {
    ...real,
    writeSync: until('write', real.writeSync),
    fsyncSync: until('sync', real.fsyncSync),
    renameSync: until('rename', real.renameSync),
  };
});

test.each(['write', 'sync', 'rename'])('a power cut at the first %s leaves no half a key', (step) => {
  const folder = mkdtempSync(join(tmpdir(), 'stammkunde-wipe-key-'));
  onTestFinished(() => {
    power.goesAt = '';
    rmSync(folder, { recursive: true });
  });
  const sealed = Buffer.alloc(32, 1);
  const random = new SeededRandom(7);
  power.goesAt = step;
  expect(() => withWipeKey(sealed, folder, random)).toThrow('the power is gone');
  expect(existsSync(join(folder, 'wipe.key'))).toBe(false);
  power.goesAt = '';
  const made = withWipeKey(sealed, folder, random);
  expect(withWipeKey(sealed, folder, random)).toEqual(made);
  expect(readdirSync(folder)).toEqual(['wipe.key']);
});
