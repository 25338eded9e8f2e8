import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from 'vite';
import { programVersion } from '../foundation/version.ts';
import { TillFolder } from './edge/till-folder.ts';
import { projectFile } from './support/run-program.ts';

// The daemon as it is published: a few files beside the packages with binaries, laid out as in the package.

const folder = mkdtempSync(join(tmpdir(), 'stammkunde-bundle-'));
const main = join(folder, 'dist', 'bundle', 'edge-main.js');

beforeAll(async () => {
  await build({
    configFile: projectFile('bundle.config.ts'),
    build: { outDir: join(folder, 'dist', 'bundle') },
    logLevel: 'error',
  });
  for (const name of ['package.json', 'node_modules']) symlinkSync(projectFile(name), join(folder, name));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the bundle knows its version and the licences of what is in it', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [main, '--version']);
  expect(stdout).toBe(`${programVersion()}\n`);
  expect(existsSync(join(folder, 'dist', 'bundle', '.vite', 'license.md'))).toBe(true);
});

test('a till runs from the bundle, with the thread of its replica', async () => {
  using till = new TillFolder(1);
  const config = till.file('till.yaml');
  writeFileSync(config, till.yaml());
  const child = spawn(process.execPath, [main, '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  let told = '';
  const begun = new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      told += chunk.toString();
      // A first generation is begun by the thread alone.
      if (told.includes(' is ready: ') && told.includes('"replica.load"')) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', () => reject(new Error(told)));
  });
  try {
    await expect(begun).resolves.toBeUndefined();
  } finally {
    child.kill('SIGTERM');
  }
});
