import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { DataFolderLock } from '../../../edge/journal/data-folder-lock.ts';
import { temporaryFolder } from './journal-fixture.ts';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });

test('a data folder belongs to one at a time', async () => {
  const folder = temporaryFolder(onTestFinished);
  const first = await DataFolderLock.open(folder);
  await expect(DataFolderLock.open(folder)).rejects.toThrow(code('DATA_IN_USE'));
  await first.close();
  await first.close();
  await (await DataFolderLock.open(folder)).close();
});

test('another process is kept out until it is killed, and leaves nothing to clean up', async () => {
  const folder = temporaryFolder(onTestFinished);
  const script = new URL('./hold-lock-child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await expect(DataFolderLock.open(folder)).rejects.toThrow(code('DATA_IN_USE'));
  child.kill('SIGKILL');
  await exited;
  await (await DataFolderLock.open(folder)).close();
});

test('a folder that is not there, or a foreign file in the lock’s place, cannot be used', async () => {
  const folder = temporaryFolder(onTestFinished);
  await expect(DataFolderLock.open(join(folder, 'absent'))).rejects.toThrow(code('DATA_UNWRITABLE'));
  writeFileSync(
    join(folder, 'in-use.lock'),
    'something else, and long enough to be read as a header '.repeat(20),
  );
  await expect(DataFolderLock.open(folder)).rejects.toThrow(code('DATA_UNWRITABLE'));
});
