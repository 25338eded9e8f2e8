import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeFolder } from '../../foundation/folder.ts';

function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), 'stammkunde-folder-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

test('every folder on the way is made, open to its owner alone; what is there stays as it is', () => {
  const root = scratch();
  makeFolder(join(root, 'a', 'b'));
  makeFolder(join(root, 'a', 'b'));
  expect(['a', 'a/b'].map((name) => statSync(join(root, name)).mode & 0o777)).toEqual([0o700, 0o700]);
});

test('a file in the way is a fault with a code', () => {
  const root = scratch();
  writeFileSync(join(root, 'file'), '');
  for (const path of ['file', 'file/below'])
    expect(() => makeFolder(join(root, path))).toThrow(expect.objectContaining({ code: 'DATA_UNWRITABLE' }));
});

test('a file system that takes no folders is a fault with a code, at once', (context) => {
  if (!existsSync('/proc/self')) context.skip('there is no /proc here');
  expect(() => makeFolder('/proc/nowhere/below')).toThrow(
    expect.objectContaining({ code: 'DATA_UNWRITABLE' }),
  );
});
