import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabaseFile } from '../../edge/replica/storage/database-file.ts';
import { fillSettings } from '../../edge/replica/storage/settings.ts';
import { encodeText } from '../../edge/replica/storage/value-encoding.ts';
import { readKeyRing } from '../../edge/key-ring.ts';
import type { Clock } from '../../foundation/clock.ts';
import { sleep } from '../../foundation/clock.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { BENCH_TENANT } from './cached-replica.ts';
import type { FilledTill } from './cached-replica.ts';
import type { PresentedCard } from './presented-cards.ts';

/**
 * What no identification can be faster than: the HMAC of the number and two point reads, by primary key, on the same
 * encrypted file with the same settings. No RxDB, no JSON, no recognition, no offers. The lookups are paced like the
 * scans were, because a processor that was just busy with the same thing answers faster than one a cashier wakes up.
 * The file belongs to one process at a time, so the till must have ended.
 * @returns the duration of each lookup, ms
 */
export async function measureFloor(
  till: FilledTill,
  cards: readonly PresentedCard[],
  pace: { readonly clock: Clock; readonly gapMs: number },
): Promise<number[]> {
  const keys = readKeyRing(till);
  const indexer = new BlindIndexer(keys.identifier, BENCH_TENANT);
  const database = openDatabaseFile(fillSettings({ file: replicaFile(till), key: keys.replica }));
  try {
    const tableOf = (collection: string): string => {
      const id: unknown = database
        .prepare("SELECT id FROM rx_collection WHERE database='replica' AND collection=?")
        .pluck()
        .get(collection);
      return `documents_${String(id)}`;
    };
    const credential = database.prepare(`SELECT doc FROM ${tableOf('credentials')} WHERE id=?`).pluck();
    const customer = database.prepare(`SELECT doc FROM ${tableOf('customers')} WHERE id=?`).pluck();
    const durationsMs: number[] = [];
    for (const { card, customerId } of cards) {
      await sleep(pace.clock, pace.gapMs);
      const startedMs = pace.clock.monotonicMs();
      const index = indexer.index(card.kind, card.number);
      const found = [credential.get(encodeText(index)), customer.get(encodeText(customerId))];
      durationsMs.push(pace.clock.monotonicMs() - startedMs);
      if (found.includes(undefined)) throw new Error('the floor missed a card that was scanned before');
    }
    return durationsMs;
  } finally {
    database.close();
  }
}

/** The one file a replica that is not being replaced has. */
function replicaFile({ replicaFolder }: FilledTill): string {
  const [name, ...others] = readdirSync(replicaFolder).filter((each) => each.endsWith('.db'));
  if (name === undefined || others.length > 0) throw new Error(`${replicaFolder} should hold one replica`);
  return join(replicaFolder, name);
}
