import { expect, test } from 'vitest';
import { createLog } from '../../foundation/log.ts';
import { scrub } from '../../foundation/scrub.ts';

const KEY = 'oQidkfWWOWlaWI6Lmc-en0WA_mqlKSuf-B6h6fHecWoQidkfWWOWlaWI6Lmc-en0';

test.each([
  ['a card number', '4111111111111111'],
  ['a card number in groups', '4111 1111 1111 1111'],
  ['a house card', '2903401987698'],
  ['a GSRN', '761234501043975850'],
  ['a PAR', 'Q1HJZ28RKA1EBL470G9XYG90R5D3E'],
  ['a mail address', 'anna@example.at'],
  ['a key', KEY],
])('%s does not leave in a log line, wherever it stands', (_what, secret) => {
  const lines: string[] = [];
  const log = createLog({ name: 'test', level: 'debug', write: (line) => lines.push(line) });
  const cause = new Error(`inner ${secret}`);
  log.info({ event: 'x', value: secret, nested: { deep: [secret] }, text: `card ${secret}, refused` });
  log.error({ event: 'y', error: new Error(`could not read ${secret}`, { cause }) });
  expect(lines).toHaveLength(2);
  expect(lines.join('')).not.toContain(secret);
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty('event');
});

test('a bare number that could be a card stays JSON', () => {
  expect(JSON.parse(scrub('{"a":4111111111111111,"b":[2903401987698]}'))).toEqual({ a: 0, b: [0] });
});

test.each([
  '0197f0c4-0000-7000-8000-000000000001',
  '2026-11-22T18:00:36.628Z',
  'file:///opt/stammkunde/node_modules/rxdb/dist/esm/replication-protocol/downstream.js:113:49',
  '123456789012',
])('%s is left as it is', (text) => {
  expect(scrub(JSON.stringify({ text }))).toBe(JSON.stringify({ text }));
});
