import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../../foundation/clock.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { measurePeer } from './measure-peer.ts';
import { isPeerName, peerKind } from './peers.ts';

/** One peer in a process of its own: `peer-main.ts NAME DOCUMENTS LOOKUPS QUERIES MIXED`, one line of JSON. */
const [name = '', ...counts] = process.argv.slice(2);
if (!isPeerName(name)) throw new Error(`there is no peer ${name}`);
const [documents = 0, lookups = 0, queries = 0, mixed = 0] = counts.map(Number);
const kind = await peerKind(name);
const folder = mkdtempSync(join(tmpdir(), 'stammkunde-bench-'));
const key = createHash('sha256').update('bench').digest();

let missing: string | undefined;
try {
  const size = Math.min(documents, kind.documentsMax);
  const figures = await measurePeer(
    async () => {
      const peer = await kind.open({ folder, key });
      if (!('missing' in peer)) return peer;
      ({ missing } = peer);
      throw new Error(peer.missing);
    },
    { documents: size, lookups, queries, mixed },
    { clock: new SystemClock(), random: new SeededRandom(7) },
  ).catch((error: unknown) => {
    if (missing === undefined) throw error;
    return undefined;
  });
  const { label, survives } = kind;
  process.stdout.write(
    `${JSON.stringify({ peer: name, label, survives, documents: size, ...(figures ?? { missing }) })}\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
