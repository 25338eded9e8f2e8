// The program as it is started from a shell: what it prints, and how it ends.
import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { SystemClock } from '../../foundation/clock.ts';
import { silentLog } from '../../foundation/log.ts';
import { SystemRandom } from '../../foundation/random.ts';
import { Database } from '../../server/database/database.ts';
import { ServerFolder } from './server-folder.ts';

const program = new URL('../../bin/stammkunde-server.js', import.meta.url).pathname;
const folder = new ServerFolder();
const config = join(folder.path, 'server.yaml');
writeFileSync(config, folder.yaml());
afterAll(() => folder[Symbol.dispose]());

function run(
  ...args: string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    });
  });
}

test('--check-config says ok, or every problem, and opens nothing', async () => {
  expect(await run('--config', config, '--check-config')).toEqual({
    code: 0,
    out: `${config}: ok\n`,
    err: '',
  });
  const wrong = join(folder.path, 'wrong.yaml');
  writeFileSync(
    wrong,
    folder.yaml().replace('tenant: kaufhaus', 'tenant: X').replace('prefix:', 'prefixes:'),
  );
  const { code, err } = await run('--config', wrong, '--check-config');
  expect(code).toBe(1);
  expect(err).toMatch(/tenant: [^]*cardSchemes\.0\.prefixes: there is no such setting[^]*\[CFG_INVALID\]/);
});

test('a till’s token is printed, and no token for a name no till may have', async () => {
  expect((await run('till-token', 'till-1', '--config', config)).out).toMatch(/^[\w-]{43}\n$/);
  for (const name of ['server', 'feed', 'Till', '']) {
    expect(await run('till-token', name, '--config', config)).toMatchObject({ code: 1, out: '' });
  }
});

test.each([
  ['no configuration', [], 'CFG_UNREADABLE'],
  ['one that is not there', ['--config', '/nowhere.yaml'], 'CFG_UNREADABLE'],
  ['an unknown option', ['--config', config, '--colour'], 'CFG_INVALID'],
  ['an unknown command', ['dance', '--config', config], 'CFG_INVALID'],
])('%s is said in a sentence with its code', async (_what, args, code) => {
  const ended = await run(...args);
  expect(ended).toMatchObject({ code: 1, out: '' });
  expect(ended.err).toContain(`[${code}]`);
  expect(ended.err).not.toMatch(/^ +at /m);
});

test('after a backup was put back, the data gets a new epoch, each time it is told', async () => {
  const epochs: (string | undefined)[] = [];
  for (let i = 0; i < 2; i += 1) {
    const { code, out } = await run('restored', '--config', config);
    expect(code).toBe(0);
    epochs.push(/^epoch ([0-9a-f-]{36}): all tills will load their replicas again\n$/.exec(out)?.[1]);
  }
  expect(new Set([...epochs, undefined]).size).toBe(3);
});

test('an audit ends with 0 when sound, 1 when something differs, 2 when it cannot look', async () => {
  const sound = await run('audit', '--json', '--config', config);
  expect(sound).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(sound.out)).toMatchObject({ sound: true, first: null, journals: 0, entries: 0 });

  const { clock, random } = { clock: new SystemClock(), random: new SystemRandom() };
  const database = await Database.open(folder.config.database, { clock, random, log: silentLog });
  await database.db.insertInto('ledger_account').values({ id: 'adjust:nothing', balance: 3 }).execute();
  await database.close();
  const differs = await run('audit', '--config', config);
  expect(differs).toMatchObject({ code: 1, err: '' });
  expect(differs.out).toContain(
    'differs: account adjust:nothing: has the balance 3, its postings add up to 0',
  );
  expect(await run('audit', '--till', 'till-1', '--config', config)).toMatchObject({ code: 0 });

  for (const args of [['--config', '/nowhere.yaml'], ['--till', 'Till', '--config', config], []]) {
    expect(await run('audit', ...args)).toMatchObject({ code: 2, out: '' });
  }
});

test('it says when it is ready, keeps a second one off its data, and ends cleanly when told to', async () => {
  const server = spawn(process.execPath, [program, '--config', config], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exit = new Promise<number | null>((resolve) => server.once('exit', resolve));
  for await (const line of createInterface({ input: server.stdout })) {
    expect(line).toMatch(
      /^ready: API http:\/\/127\.0\.0\.1:\d+, broker mqtt:\/\/127\.0\.0\.1:\d+, programme kaufhaus$/,
    );
    break;
  }
  expect(await run('--config', config)).toMatchObject({ code: 1, out: '' });
  expect((await run('--config', config)).err).toContain('[DATA_IN_USE]');
  server.kill('SIGTERM');
  expect(await exit).toBe(0);
});
