// Goal: a key is taken from where the configuration says and from nowhere else, and how it rests is told truly.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { keySourceOf, SecretSource, weakestProtection } from '../../foundation/secret-source.ts';

const folder = mkdtempSync(join(tmpdir(), 'stammkunde-secret-'));
afterAll(() => rmSync(folder, { recursive: true }));

const KEY = Buffer.alloc(32, 5);
function write(name: string, mode: number, text = KEY.toString('base64url')): string {
  const path = join(folder, name);
  writeFileSync(path, `${text}\n`, { mode });
  chmodSync(path, mode);
  return path;
}

describe('a key in a file', () => {
  test('is read when only its owner may', () => {
    const source = keySourceOf(write('good.key', 0o600), undefined);
    expect(source.read()).toEqual(KEY);
    expect(source.protection).toBe('file');
  });

  test.each([0o640, 0o604, 0o660, 0o601])('is refused with mode %o', (mode) => {
    const source = keySourceOf(write('exposed.key', mode), undefined);
    expect(() => source.read()).toThrow('KEY_EXPOSED');
  });
});

describe('a key that systemd hands over', () => {
  const credentials = join(folder, 'credentials');
  mkdirSync(credentials);

  test('is read from the folder of the unit, whatever an access list makes of its mode', () => {
    write('credentials/till-key', 0o440);
    const source = keySourceOf({ credential: 'till-key' }, credentials);
    expect(source.read()).toEqual(KEY);
    expect(source.protection).toBe('credential');
    expect(source.file).toBeNull();
  });

  test('is missing when systemd did not start the program, and says so', () => {
    expect(() => keySourceOf({ credential: 'till-key' }, undefined).read()).toThrow(/CREDENTIALS_DIRECTORY/);
    expect(() => keySourceOf({ credential: 'till-key' }, 'relative').read()).toThrow('KEY_UNREADABLE');
  });

  test('is missing when the unit does not load it, empty, or not a key', () => {
    expect(() => keySourceOf({ credential: 'absent' }, credentials).read()).toThrow('KEY_UNREADABLE');
    write('credentials/empty', 0o400, '');
    expect(() => keySourceOf({ credential: 'empty' }, credentials).read()).toThrow('KEY_UNREADABLE');
    write('credentials/short', 0o400, 'AAAA');
    expect(() => keySourceOf({ credential: 'short' }, credentials).read()).toThrow('KEY_UNREADABLE');
  });

  test.each(['../till.key', 'a/b', '', '.hidden', 'x'.repeat(65), 'a\n'])(
    'has no name like %j',
    (credential) => {
      expect(SecretSource.safeParse({ credential }).success).toBe(false);
    },
  );

  test('is no path at the same time', () => {
    expect(SecretSource.safeParse({ credential: 'a', path: 'b' }).success).toBe(false);
  });
});

test('several keys are protected as the weakest of them', () => {
  const file = keySourceOf(join(folder, 'good.key'), undefined);
  const credential = keySourceOf({ credential: 'till-key' }, folder);
  expect(weakestProtection([credential, credential])).toBe('credential');
  expect(weakestProtection([credential, file])).toBe('file');
});
