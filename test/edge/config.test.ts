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
      serverPublicKeyFile: join(folder, 'signing.pub.pem'),
    },
    password: join(folder, 'till.token'),
    token: join(folder, 'api.token'),
    display: join(folder, 'display.token'),
  });
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
      signingKeyFile: join(folder, 'signing.pem'),
      secretFile: join(folder, 'secret.key'),
    },
  });
});
