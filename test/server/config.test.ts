import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { SystemRandom } from '../../foundation/random.ts';
import { parseYamlConfig } from '../../foundation/yaml-config.ts';
import { readServerConfig, ServerConfig } from '../../server/config.ts';
import { createMissingKeys, loadKeys, publicKeyFileOf, serverToken, tillToken } from '../../server/keys.ts';
import { ServerFolder } from './server-folder.ts';

const folder = new ServerFolder();
afterAll(() => folder[Symbol.dispose]());

test('the example is a valid configuration', () => {
  const config = readServerConfig(new URL('../../examples/server.yaml', import.meta.url).pathname);
  expect(config).toMatchObject({ tenant: 'kaufhaus', http: { host: '127.0.0.1', port: 8480 } });
  expect(Object.isFrozen(config.keys)).toBe(true);
});

test('each alternative in the example’s comments is valid too', () => {
  const text = folder
    .yaml()
    .replace(/^ {2}embedded: .*\n/m, '')
    .replace(/^ {2}embedded:\n {4}host.*\n {4}port.*\n/m, '')
    .replaceAll(/^ {2}# (url|username|passwordFile|caFile):/gm, '  $1:');
  expect(parseYamlConfig(text, ServerConfig, 'test')).toMatchObject({
    database: { url: 'postgres://stammkunde@db.example/stammkunde' },
    broker: { url: 'mqtts://broker.example:8883' },
  });
});

test('all problems are reported at once, each with its path', () => {
  const text = folder
    .yaml()
    .replace('tenant: kaufhaus', 'tenant: Kaufhaus Nord\ntenat: x')
    .replace('logLevel: silent', 'logLevel: loud')
    .replace(/tokenFile: .*/, '');
  const read = (): unknown => parseYamlConfig(text, ServerConfig, 'server.yaml');
  expect(read).toThrow('CFG_INVALID');
  expect(read).toThrow('tenat: there is no such setting');
  expect(read).toThrow('tenant: ');
  expect(read).toThrow('http.tokenFile: ');
  expect(read).toThrow('logLevel: ');
});

test.each([
  ['no YAML', 'a: [1', 'CFG_INVALID'],
  ['empty', '', 'CFG_INVALID'],
  ['a key twice', 'tenant: a\ntenant: b', 'CFG_INVALID'],
])('a file that is %s is refused', (_what, text, code) => {
  expect(() => parseYamlConfig(text, ServerConfig, 'server.yaml')).toThrow(code);
});

test('a file that is not there is unreadable', () => {
  expect(() => readServerConfig(join(folder.path, 'nothing.yaml'))).toThrow('CFG_UNREADABLE');
});

test('key files are made once, for the owner alone, and the public key lies beside', () => {
  const { keys, http } = folder.config;
  for (const path of Object.values(keys).flat()) expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(http.tokenFile).mode & 0o777).toBe(0o640);
  const before = readFileSync(keys.secretFile, 'utf8');
  expect(createMissingKeys(keys, http.tokenFile, new SystemRandom())).toEqual([]);
  expect(readFileSync(keys.secretFile, 'utf8')).toBe(before);
  expect(readFileSync(publicKeyFileOf(keys), 'utf8')).toContain('BEGIN PUBLIC KEY');
});

test('tokens follow from the secret and differ by till, tenant and role', () => {
  const { secret } = loadKeys(folder.config.keys);
  const tokens = [
    tillToken(secret, 'kaufhaus', 'till-1'),
    tillToken(secret, 'kaufhaus', 'till-2'),
    tillToken(secret, 'warenhaus', 'till-1'),
    serverToken(secret, 'kaufhaus'),
  ];
  expect(new Set(tokens).size).toBe(4);
  expect(tillToken(secret, 'kaufhaus', 'till-1')).toBe(tokens[0]);
});

test('a signing key that others can read, or that is none, is refused', () => {
  using other = new ServerFolder();
  const { keys } = other.config;
  chmodSync(keys.signingKeyFile, 0o644);
  expect(() => loadKeys(keys)).toThrow('KEY_EXPOSED');
  chmodSync(keys.signingKeyFile, 0o600);
  writeFileSync(keys.signingKeyFile, 'nothing of the kind');
  expect(() => loadKeys(keys)).toThrow('KEY_UNREADABLE');
});
