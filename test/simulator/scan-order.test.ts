import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Population } from '../../simulator/population.ts';
import { likelyScannerPrefix } from '../../simulator/card-numbers.ts';
import { parseScanRequest, UsageError } from '../../simulator/scan-order.ts';

const sent = (args: readonly string[]): string => {
  const { order } = parseScanRequest(args);
  return order.order === 'send' ? Buffer.from(order.hex, 'hex').toString('latin1') : order.order;
};

test('a card goes over the scanner as its symbology would, with AIM identifier and CR', () => {
  expect(sent(['--card', '2900012345671'])).toBe(']E02900012345671\r');
  expect(sent(['--card', '3083420086033549'])).toBe(']C03083420086033549\r');
  expect(sent(['--product', '40123455'])).toBe(']E440123455\r');
});

test('every card of the population is shown as its own scheme would have it', () => {
  for (const { cards } of new Population(200).members()) {
    for (const card of cards) expect(likelyScannerPrefix(card.number)).toBe(card.scannerPrefix);
  }
});

test('raw bytes go as they are', () => {
  expect(sent(['--raw', '0002ff'])).toBe('\u0000\u0002\u00ff');
});

test('faults are orders too', () => {
  expect(parseScanRequest(['--unplug', '2.5', '--reader', 'tcp']).order).toEqual({
    order: 'unplug',
    reader: 'tcp',
    seconds: 2.5,
  });
  expect(parseScanRequest(['--network', 'down']).order).toEqual({ order: 'network', state: 'cut' });
});

test.each([
  [[], 'give one of'],
  [['--card', '1', '--product', '2'], 'give one of'],
  [['--card', ''], '--card takes'],
  [['--card', 'grün'], '--card takes'],
  [['--raw', 'xyz'], '--raw takes'],
  [['--raw', 'abc'], '--raw takes'],
  [['--unplug', 'soon'], '--unplug takes'],
  [['--unplug=-1'], '--unplug takes'],
  [['--network', 'sideways'], '--network takes'],
  [['--card', '1', '--reader', 'usb'], '--reader is'],
  [['--colour', 'red'], '--colour'],
  [['1234'], '1234'],
])('%j is turned down in one sentence', (args, message) => {
  expect(() => parseScanRequest(args)).toThrow(UsageError);
  expect(() => parseScanRequest(args)).toThrow(message);
});

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stammkunde-scan-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('without a shop the command says so, and how to get one', async () => {
  const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      ['bin/stammkunde-scan.js', '--card', '2900012345671', '--data', folder],
      (error, _stdout, text) => resolve({ code: error?.code, stderr: text }),
    );
  });
  expect(stderr).toBe(`No shop runs in ${folder}: start one with npm start, in another terminal.\n`);
  expect(code).toBe(1);
});

test('a code can be shown to every kind of reader, as its scanner would see it', () => {
  expect(parseScanRequest(['--as', 'hid-pos', '--card', '2900012345671']).order).toEqual({
    order: 'show',
    as: 'hid-pos',
    aim: ']E0',
    text: '2900012345671',
  });
  expect(parseScanRequest(['--as', 'ibm', '--card', '761234501043975850']).order).toMatchObject({
    aim: ']C1',
    text: '8018761234501043975850',
  });
  expect(parseScanRequest(['--as', 'app-code', '--form', 'url', '--phone', '2']).order).toEqual({
    order: 'app-code',
    form: 'url',
    phone: 2,
  });
  const bankCard = parseScanRequest(['--as', 'zvt']).order;
  expect(bankCard.order === 'show' ? bankCard.text : '').toMatch(/^[0-9A-Z]{29}$/);
});

test.each([
  [['--as', 'telepathy', '--card', '1'], '--as is one of'],
  [['--as', 'msr'], '--as needs'],
  [['--as', 'msr', '--card', '1', '--product', '2'], '--as needs'],
  [['--as', 'app-code', '--form', 'morse'], '--form is one of'],
  [['--as', 'app-code', '--phone', 'first'], '--phone takes'],
  [['--replay', '/nowhere/trace.jsonl'], 'cannot be read'],
])('%j is turned down in one sentence', (args, message) => {
  expect(() => parseScanRequest(args)).toThrow(UsageError);
  expect(() => parseScanRequest(args)).toThrow(message);
});

test('a recorded trace is read step by step; a line that is none is named', async () => {
  const path = join(folder, 'trace.jsonl');
  await writeFile(
    path,
    '# two pieces of a frame\n{"afterMs":0,"as":"serial","hex":"5d4530"}\n\n{"afterMs":5,"as":"serial","hex":"310d"}\n',
  );
  expect(parseScanRequest(['--replay', path]).order).toEqual({
    order: 'replay',
    steps: [
      { afterMs: 0, as: 'serial', hex: '5d4530' },
      { afterMs: 5, as: 'serial', hex: '310d' },
    ],
  });
  await writeFile(path, '{"afterMs":0,"as":"serial","hex":"5d4530"}\nnonsense\n');
  expect(() => parseScanRequest(['--replay', path])).toThrow('line 2');
  await writeFile(path, '\n');
  expect(() => parseScanRequest(['--replay', path])).toThrow('1 to 500 steps');
});
