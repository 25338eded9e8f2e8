import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createLog } from '../../../foundation/log.ts';
import { Credential } from '../../../sync/contract/credential.ts';

const VALUE = '2501234564821';
const credential = new Credential('card', 'house', 'L1', VALUE);
const logged = (fields: Record<string, unknown>): string => {
  const lines: string[] = [];
  const log = createLog({ name: 'test', level: 'debug', write: (line) => void lines.push(line) });
  log.info({ event: 'scan', ...fields });
  return lines.join('');
};

describe('a credential', () => {
  test('shows its kind and last four characters', () => {
    expect(credential.toString()).toBe('card …4821');
    expect(credential.reveal()).toBe(VALUE);
  });

  test.each([
    ['as text', (): string => `${credential.toString()} ${String(credential)}`],
    ['as JSON', (): string => JSON.stringify({ credential, list: [credential] })],
    ['inspected', (): string => inspect(credential)],
    ['inspected deep within', (): string => inspect({ a: { b: [credential] } }, { depth: 10 })],
    ['inspected with all that is hidden', (): string => inspect(credential, { showHidden: true, depth: 10 })],
    [
      'inspected past its own inspection',
      (): string => inspect(credential, { customInspect: false, showHidden: true }),
    ],
    ['spread', (): string => JSON.stringify(Object.assign({}, credential))],
    ['by its properties', (): string => JSON.stringify(Object.entries(credential))],
    ['cloned', (): string => inspect(structuredClone(credential))],
    ['in a log line', (): string => logged({ credential })],
    ['within an error in a log line', (): string => logged({ error: new Error(`no ${String(credential)}`) })],
  ])('never shows its number: %s', (_how, print) => {
    const text = print();
    expect(text).not.toContain(VALUE);
    expect(text).not.toContain(VALUE.slice(0, 6));
    expect(text).not.toContain(VALUE.slice(-5));
  });
});
