// Goal: every program says in one sentence why it cannot run, and ends with 1; a right configuration ends with 0.
// Method: the real entry points as child processes.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { projectFile, runProgram } from './support/run-program.ts';

const folder = mkdtempSync(join(tmpdir(), 'stammkunde-programs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const programs = [
  'bin/stammkunde-edge.js',
  'bin/stammkunde-server.js',
  'bin/stammkunde-shop.js',
  'bin/stammkunde-scan.js',
];

/** Lets the process take itself for one of an older Node.js, before anything of the program is loaded. */
const onOldNode = [
  '--import',
  "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})",
];

describe.each(programs)('%s', (program) => {
  test('started on an older Node.js says so in one sentence and exits 1', async () => {
    const end = await runProgram(program, ['--config', 'nowhere.yaml'], onOldNode);
    expect(end.code).toBe(1);
    expect(end.stdout).toBe('');
    expect(end.stderr).toMatch(/^Stammkunde needs Node\.js 26 or newer and this is 20\.20\.2: [^\n]+\.\n$/);
  });
});

test('the launchers name nothing in their imports that an older Node.js lacks: it would end before the sentence', () => {
  const long = new Set(['existsSync', 'spawn', 'constants', 'delimiter', 'dirname', 'isMainThread']); // in Node.js 14 and later
  const launchers = readdirSync(projectFile('bin'));
  expect(launchers).toContain('run.js');
  for (const launcher of launchers) {
    const text = readFileSync(projectFile(`bin/${launcher}`), 'utf8');
    for (const [, names = ''] of text.matchAll(/import \{([^}]*)\} from 'node:/g)) {
      expect(names.split(',').flatMap((name) => (long.has(name.trim()) ? [] : name.trim()))).toEqual([]);
    }
  }
});

describe.each([
  ['bin/stammkunde-edge.js', 'examples/till.yaml'],
  ['bin/stammkunde-server.js', 'examples/server.yaml'],
])('%s', (program, example) => {
  test('finds its example right', async () => {
    const end = await runProgram(program, ['--config', projectFile(example), '--check-config']);
    expect(end).toMatchObject({ code: 0, stderr: '' });
  });

  test('names every problem of a configuration at once, with its path, and exits 1', async () => {
    const path = join(folder, 'wrong.yaml');
    writeFileSync(path, 'tenant: NOT A NAME\nlogLevel: loud\nunheardOf: 1\n');
    const end = await runProgram(program, ['--config', path, '--check-config']);
    expect(end.code).toBe(1);
    for (const part of ['tenant', 'logLevel', 'unheardOf', 'cardSchemes', 'CFG_INVALID'])
      expect(end.stderr).toContain(part);
  });

  test('a missing configuration is one sentence with its code', async () => {
    const end = await runProgram(program, ['--config', join(folder, 'none.yaml')]);
    expect(end.code).toBe(1);
    expect(end.stderr).toContain('CFG_UNREADABLE');
    expect(end.stderr.trim().split('\n')).toHaveLength(1);
  });

  test('without arguments it says how it is called and exits 1', async () => {
    const end = await runProgram(program, []);
    expect(end.code).toBe(1);
    expect(end.stderr).toContain('--config');
  });

  test('an argument it does not know is named, with how it is called', async () => {
    const end = await runProgram(program, ['--nonsense']);
    expect(end.code).toBe(1);
    expect(end.stderr).toContain('--nonsense');
    expect(end.stderr).toContain('--check-config');
  });
});

test('stammkunde-edge readers lists what is attached, for people and for programs, and ends with 0', async () => {
  const readers = await runProgram('bin/stammkunde-edge.js', ['readers']);
  expect(readers).toMatchObject({ code: 0, stderr: '' });
  const asJson = await runProgram('bin/stammkunde-edge.js', [
    'readers',
    '--json',
    '--config',
    projectFile('examples/till.yaml'),
  ]);
  expect(asJson).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(asJson.stdout)).toBeInstanceOf(Array);
});

test('a command stammkunde-edge does not know is named', async () => {
  const end = await runProgram('bin/stammkunde-edge.js', ['reeders']);
  expect(end.code).toBe(1);
  expect(end.stderr).toContain('reeders');
});
