import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encode } from '../../sync/contract/wire.ts';
import { filesHolding, holdsOneOf } from './raw-numbers.ts';

const numbers = [Buffer.from('2900000000018'), Buffer.from('2900000000025')];

test('a number is found in a message that is compressed', () => {
  const payload = encode({ filling: 'x'.repeat(10_000), number: '2900000000025' });
  expect(payload.length).toBeLessThan(10_000);
  expect(holdsOneOf(payload, numbers)).toBe(true);
  expect(holdsOneOf(encode({ filling: 'x'.repeat(10_000) }), numbers)).toBe(false);
});

test('a message that lost bytes on its way is looked at as it is', () => {
  const whole = encode({ filling: 'x'.repeat(10_000), number: '2900000000025' });
  const damaged = Buffer.concat([whole.subarray(0, 20), whole.subarray(24)]);
  expect(holdsOneOf(damaged, numbers)).toBe(false);
  expect(holdsOneOf(Buffer.concat([damaged, Buffer.from('2900000000018')]), numbers)).toBe(true);
});

test('a number is found in a file of any folder below', ({ onTestFinished }) => {
  const folder = mkdtempSync(join(tmpdir(), 'stammkunde-numbers-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'a/b'), { recursive: true });
  writeFileSync(
    join(folder, 'a/b/c.db'),
    Buffer.concat([Buffer.from([0, 255]), Buffer.from('2900000000018')]),
  );
  writeFileSync(join(folder, 'a/other.log'), '2900000000010');
  expect(filesHolding(folder, numbers)).toEqual(['a/b/c.db']);
});
