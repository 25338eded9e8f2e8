import { buildJournalFile } from '../../../edge/journal/journal-file.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { genesisHash, sealEntry } from '../../../sync/contract/journal-entry.ts';
import type { JournalEntry } from '../../../sync/contract/journal-entry.ts';
import { completedSale } from './journal-fixture.ts';

/** Writes a journal of so many sales at once, as a till that sold for weeks would have it. */
export function fillJournal(
  file: string,
  key: Uint8Array,
  {
    till,
    entries,
    confirmed,
  }: { readonly till: string; readonly entries: number; readonly confirmed: number },
): void {
  const random = new SeededRandom(entries);
  const owner = { till, incarnation: uuidV7(1, random) };
  const genesis = { ...owner, hash: genesisHash(owner) };
  buildJournalFile(file, key, genesis, (database) => {
    const insert = database.prepare('INSERT INTO entry VALUES(?, ?, ?, ?, ?, ?, ?, ?)');
    let previous: Pick<JournalEntry, 'seq' | 'hash'> = { seq: 0, hash: genesis.hash };
    for (let i = 0; i < entries; i += 1) {
      const transaction = completedSale();
      const entry = sealEntry(previous, uuidV7(i, random), transaction);
      const { seq, id, at, prevHash, body, hash } = entry;
      // Its kind is that of every sale the fixture makes.
      insert.run(seq, id, at, prevHash, body, hash, uuidV7(i, random), transaction.kind);
      previous = entry;
    }
    database.prepare('UPDATE chain SET confirmed_seq = ?').run(confirmed);
  });
}
