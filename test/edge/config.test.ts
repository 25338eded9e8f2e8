// Goal: the example is right, and paths mean what their writer thinks.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readEdgeConfig } from '../../edge/config.ts';
import { readServerConfig } from '../../server/config.ts';
import { projectFile } from '../support/run-program.ts';

const folder = mkdtempSync(join(tmpdir(), 'stammkunde-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('the example till is right, and absolute paths stay as they are', () => {
  const path = join(folder, 'till.yaml');
  copyFileSync(projectFile('examples/till.yaml'), path);
  expect(readEdgeConfig(path)).toMatchObject({
    till: 'store-12-till-3',
    dataFolder: '/var/lib/stammkunde',
    broker: { passwordFile: '/etc/stammkunde/till.token' },
  });
});

test('relative paths of a till start at its file’s folder', () => {
  const path = join(folder, 'relative.yaml');
  const text = readFileSync(projectFile('examples/till.yaml'), 'utf8');
  writeFileSync(path, text.replaceAll('/var/lib/stammkunde', 'data').replaceAll('/etc/stammkunde/', './'));
  const { dataFolder, keys, broker, api } = readEdgeConfig(path);
  expect({
    dataFolder,
    keys,
    password: broker.passwordFile,
    token: api.tokenFile,
    display: api.displayTokenFile,
  }).toEqual({
    dataFolder: join(folder, 'data'),
    keys: {
      tillKeyFile: join(folder, 'till.key'),
      identifierKeyFile: join(folder, 'identifier.key'),
      addedIdentifierKeyFiles: [],
      serverPublicKeyFile: join(folder, 'signing.pub.pem'),
    },
    password: join(folder, 'till.token'),
    token: join(folder, 'api.token'),
    display: join(folder, 'display.token'),
  });
});

/** The problems of the example with something added. */
function problemsOf(more: string): string {
  const path = join(folder, 'more.yaml');
  writeFileSync(path, `${readFileSync(projectFile('examples/till.yaml'), 'utf8')}\n${more}`);
  try {
    readEdgeConfig(path);
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
  return '';
}

test('outputs and devices name readers that exist, once', () => {
  const [reader = ''] = readEdgeConfig(join(folder, 'till.yaml')).readers.map(({ id }) => id);
  expect(
    problemsOf(
      `passThrough: { outputs: [{ id: pos, kind: tcp-listen, port: 2101, from: [${reader}] }] }\n` +
        `doubleReads: { devices: [{ readers: [${reader}] }] }\n`,
    ),
  ).toBe('');
  const problems = problemsOf(
    `passThrough: { outputs: [{ id: pos, kind: pty, path: pos, from: [${reader}, nowhere] }] }\n` +
      `doubleReads: { devices: [{ readers: [${reader}, none] }, { readers: [${reader}] }] }\n`,
  );
  expect(problems).toContain('CFG_INVALID');
  expect(problems).toContain('passThrough.outputs.0.from.1: there is no reader named nowhere');
  expect(problems).toContain('doubleReads.devices.0.readers.1: there is no reader named none');
  expect(problems).toContain(`doubleReads.devices.1.readers.0: ${reader} is in another device`);
});

test('two outputs of one name, a foreign address, and a limit that would merge two customers are refused', () => {
  const output = (more: string): string =>
    problemsOf(`passThrough: { outputs: [{ id: pos, kind: tcp-listen, port: 2101${more} }] }\n`);
  expect(output('')).toBe('');
  expect(output(', host: 0.0.0.0')).toContain('passThrough.outputs.0.host');
  expect(output(' }, { id: pos, kind: pty, path: x')).toContain('there is another output named pos');
  expect(problemsOf('doubleReads: { sameTriggerMs: 351 }\n')).toContain('doubleReads.sameTriggerMs');
});

test('the virtual port of a relative path is beside the file', () => {
  const path = join(folder, 'relative-port.yaml');
  const text = readFileSync(projectFile('examples/till.yaml'), 'utf8');
  writeFileSync(path, `${text}\npassThrough: { outputs: [{ id: pos, kind: pty, path: scanner }] }\n`);
  expect(readEdgeConfig(path).passThrough.outputs).toMatchObject([
    { path: join(folder, 'scanner'), suffix: 'cr', aim: 'keep', access: 'group', maxAgeMs: 2_000 },
  ]);
});

test('relative paths of a server start at its file’s folder', () => {
  const path = join(folder, 'server.yaml');
  const text = readFileSync(projectFile('examples/server.yaml'), 'utf8');
  writeFileSync(
    path,
    text.replaceAll('/var/lib/stammkunde-server', 'data').replaceAll('/etc/stammkunde/', ''),
  );
  const { dataFolder, database, http, keys } = readServerConfig(path);
  expect({ dataFolder, database, token: http.tokenFile, keys }).toEqual({
    dataFolder: join(folder, 'data'),
    database: { embedded: join(folder, 'data/database') },
    token: join(folder, 'api-token'),
    keys: {
      identifierKeyFile: join(folder, 'identifier.key'),
      addedIdentifierKeyFiles: [],
      signingKeyFile: join(folder, 'signing.pem'),
      secretFile: join(folder, 'secret.key'),
    },
  });
});
