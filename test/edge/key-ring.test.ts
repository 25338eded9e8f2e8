// Goal: a till takes its keys from files or from systemd, and tells which.
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readKeyRing } from '../../edge/key-ring.ts';
import { SeededRandom } from '../../foundation/random.ts';
import { newSecret, writeSecretFile } from '../../foundation/secret-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'stammkunde-ring-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);
const random = new SeededRandom(7);
const secrets = { till: newSecret(random), first: newSecret(random), second: newSecret(random) };
for (const [name, secret] of Object.entries(secrets)) writeSecretFile(file(`${name}.key`), secret, 'owner');
mkdirSync(file('credentials'));
for (const [name, secret] of Object.entries(secrets)) writeFileSync(file(`credentials/${name}`), secret);
const { publicKey } = generateKeyPairSync('ed25519');
const serverPublicKeyFile = file('server.pub.pem');
writeFileSync(serverPublicKeyFile, publicKey.export({ type: 'spki', format: 'pem' }));

test('keys of files and keys of systemd are the same keys, and the till says which it has', () => {
  const files = readKeyRing({
    tillKeyFile: file('till.key'),
    identifierKeyFile: file('first.key'),
    addedIdentifierKeyFiles: [file('second.key')],
    serverPublicKeyFile,
  });
  const sealed = readKeyRing(
    {
      tillKeyFile: { credential: 'till' },
      identifierKeyFile: { credential: 'first' },
      addedIdentifierKeyFiles: [{ credential: 'second' }],
      serverPublicKeyFile,
    },
    { credentialsFolder: file('credentials') },
  );
  expect(files.protection).toBe('file');
  expect(sealed.protection).toBe('credential');
  expect(sealed.journal).toEqual(files.journal);
  expect(sealed.identifierNames).toEqual(files.identifierNames);
  expect(new Set(files.identifierNames).size).toBe(2);
});

test('one key in a file is enough for the till to count as one with files', () => {
  const ring = readKeyRing(
    { tillKeyFile: { credential: 'till' }, identifierKeyFile: file('first.key'), serverPublicKeyFile },
    { credentialsFolder: file('credentials') },
  );
  expect(ring.protection).toBe('file');
});

test('what a sealed key encrypts needs a second key on the disk, which a wipe can destroy', () => {
  const places = {
    tillKeyFile: { credential: 'till' },
    identifierKeyFile: { credential: 'first' },
    serverPublicKeyFile,
  };
  const dataFolder = file('data');
  const machine = { credentialsFolder: file('credentials'), dataFolder, random };
  const made = readKeyRing(places, machine);
  expect(readKeyRing(places, machine).journal).toEqual(made.journal);
  expect(made.journal).not.toEqual(readKeyRing(places, { credentialsFolder: file('credentials') }).journal);
  rmSync(join(dataFolder, 'wipe.key'));
  writeFileSync(join(dataFolder, 'journal.db'), '');
  expect(() => readKeyRing(places, machine)).toThrow('KEY_UNREADABLE');
});
