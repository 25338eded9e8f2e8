// Goal: the whole shop holds together, with and without a person, and leaves nothing behind.
// Method: the programs as a person starts them, with few customers and on free ports; children are counted by /proc.
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Opened } from '../../foundation/lifecycle.ts';

const TIMEOUT_MS = 120_000;

let opened = new Opened();
let folder = '';
beforeEach(async () => {
  opened = new Opened();
  folder = await mkdtemp(join(tmpdir(), 'stammkunde-shop-test-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
});
afterEach(() => opened.close());

interface Ended {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

function run(script: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, ...args],
      { env: { ...process.env, TMPDIR: folder } },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

const scan = (...args: string[]): Promise<Ended> => run('bin/stammkunde-scan.js', '--data', folder, ...args);

/** Processes that have the test's folder in their command line, besides the one that was started first. */
function processesOfTheShop(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return [];
      }
    })
    .filter((command) => command.includes(folder));
}

/** The shop as `npm start` starts it, once it has said that it is open. */
async function openShop(): Promise<{ shop: ChildProcess; notice: string; ended: Promise<number | null> }> {
  const shop = spawn(
    process.execPath,
    ['bin/stammkunde-shop.js', '--data', folder, '--customers', '500', '--any-ports'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const ended = new Promise<number | null>((resolve) => shop.once('close', resolve));
  opened.defer(async () => {
    shop.kill('SIGKILL');
    await ended;
  });
  let said = '';
  shop.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const notice = await new Promise<string>((resolve, reject) => {
    let text = '';
    shop.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('Ctrl-C')) resolve(text);
    });
    shop.once('close', () => reject(new Error(`the shop did not open: ${said}`)));
  });
  return { shop, notice, ended };
}

test(
  'a day without a person is confirmed, balanced, and leaves nothing behind',
  async () => {
    const { code, stdout, stderr } = await run(
      'bin/stammkunde-shop.js',
      '--sales=9',
      '--customers=500',
      '--json',
    );
    expect(stderr).not.toContain('DIFFERS');
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(stdout)).toMatchObject({ sales: 9, confirmed: 9, identified: 8, ledgerBalanced: true });
    expect(code).toBe(0);
    expect(readdirSync(folder).filter((name) => name.startsWith('stammkunde-shop'))).toEqual([]);
    expect(processesOfTheShop()).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  'a person scans, pulls cables, and ends it with Ctrl-C',
  async () => {
    const { shop, notice, ended } = await openShop();
    const [known = '', blocked = '', unknown = ''] = [...notice.matchAll(/^ {2}(\d{13,18}) /gm)].map(
      ([, card]) => card,
    );

    expect((await scan('--card', known)).stdout).toMatch(/verdict +known: .*, Gold, \d+ points/);
    expect((await scan('--card', blocked)).stdout).toContain('blocked');
    expect((await scan('--card', unknown, '--reader', 'tcp')).stdout).toMatch(/unknown here/);
    expect((await scan('--product', '9012345000042')).stdout).toContain('product');
    expect((await scan('--card', '4111111111111111')).stdout).toContain('PAN_REJECTED');
    expect((await scan('--network', 'down')).code).toBe(0);
    expect((await scan('--card', known)).stdout).toContain('known');
    expect((await scan('--network', 'up')).code).toBe(0);
    expect((await scan('--unplug', '0.5')).stdout).toContain('is back');
    expect((await scan('--card', known)).stdout).toContain('known');

    const second = await run('bin/stammkunde-shop.js', '--data', folder, '--customers', '500');
    expect(second).toMatchObject({ code: 1, stderr: `a shop runs in ${folder} already\n` });

    shop.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(processesOfTheShop()).toEqual([]);
    expect(existsSync(join(folder, 'running-shop.json'))).toBe(false);
    expect((await scan('--card', known)).stderr).toContain('No shop runs');
  },
  TIMEOUT_MS,
);

test('a folder that is no shop’s is never wiped', async () => {
  const { code, stderr } = await run('bin/stammkunde-shop.js', '--data', 'test', '--fresh');
  expect(code).toBe(1);
  expect(stderr).toContain('is not a shop’s data folder');
  expect(existsSync('test/simulator')).toBe(true);
});
