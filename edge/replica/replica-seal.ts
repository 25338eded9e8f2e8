import { createHmac, timingSafeEqual } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { isBehind } from '../../sync/contract/feed.ts';
import { replicaCollectionNames } from '../../sync/contract/replica-documents.ts';
import { ReplicaNote } from './replica-note.ts';
import { syncFolder } from './storage/folder-sync.ts';

const Seal = z.strictObject({
  owner: z.string(),
  generation: z.int().min(1),
  positions: ReplicaNote.shape.positions,
  broken: z
    .literal(true)
    .optional()
    .describe(
      'An older file was found; nothing counts until it was compared with the server, however far it pulls',
    ),
});

/**
 * What the serving replica was last known to hold, outside its file and authenticated with a key derived from the
 * replica's, so that an older copy put back in its place is noticed.
 *
 * It cannot notice a copy made since the seal was last written, nor one that was put back together with the seal of its
 * time: a whole folder or disk restored is as if the till had been switched off, and its age shows.
 */
export type Seal = z.infer<typeof Seal>;

/** Only what is on the medium may be sealed: after a power cut the file must not be behind its seal. */
export function writeSeal(path: string, key: Uint8Array, seal: Seal): void {
  const text = JSON.stringify(seal);
  const unfinished = `${path}.new`;
  const descriptor = openSync(unfinished, 'w', 0o600);
  try {
    writeSync(descriptor, `${macOf(key, text).toString('hex')}\n${text}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(unfinished, path);
  syncFolder(path);
}

/** The seal; undefined where there is none, or none that was made with this key. */
export function readSeal(path: string, key: Uint8Array): Seal | undefined {
  try {
    const [mac = '', text = ''] = readFileSync(path, 'utf8').split('\n');
    const [expected, found] = [macOf(key, text), Buffer.from(mac, 'hex')];
    if (found.length !== expected.length || !timingSafeEqual(found, expected)) return undefined;
    return Seal.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Whether a file with this note may be what was sealed, or newer. */
export function isAtLeast(seal: Seal, generation: number, note: ReplicaNote): boolean {
  if (seal.broken === true) return false;
  if (generation !== seal.generation) return generation > seal.generation;
  return replicaCollectionNames.every((name) => {
    const sealed = seal.positions[name];
    return sealed === undefined || !isBehind(note.positions[name], sealed);
  });
}

function macOf(key: Uint8Array, text: string): Buffer {
  const sealKey = createHmac('sha256', key).update('replica seal v1').digest();
  return createHmac('sha256', sealKey).update(text).digest();
}
