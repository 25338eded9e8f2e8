import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { JournalEntry, entryHash, genesisHash, sealEntry } from '../../../sync/contract/journal-entry.ts';
import { JournalBatch } from '../../../sync/contract/messages.ts';
import { Transaction } from '../../../sync/contract/transaction.ts';
import { decode, encode } from '../../../sync/contract/wire.ts';
import { MemoryJournal, OWNER, voided } from '../support/memory-journal.ts';

const ID = '0190f8a0-0000-7000-9000-000000000001';
const first = sealEntry({ seq: 0, hash: genesisHash(OWNER) }, ID, voided(1));

describe('journal entries', () => {
  test('the hash is SHA-256 over the JSON array [seq, id, at, prevHash, body]', () => {
    const text = `[1,"${ID}",${first.at},"${first.prevHash}",${JSON.stringify(first.body)}]`;
    expect(first.hash).toBe(createHash('sha256').update(text).digest('hex'));
  });

  test('the bytes that are hashed never change: this value is in every ledger', () => {
    expect(genesisHash(OWNER)).toBe(
      createHash('sha256')
        .update(`["stammkunde journal v1","${OWNER.till}","${OWNER.incarnation}"]`)
        .digest('hex'),
    );
    expect(first.hash).toBe('2fe162654124f0b0f9d8467ec44d6e9d8a3940254f417367758e00979a21a012');
  });

  test.each(['seq', 'id', 'at', 'prevHash', 'body'] as const)('a change of %s changes the hash', (field) => {
    const changed = { ...first, [field]: typeof first[field] === 'number' ? 999 : `${first[field]} ` };
    expect(entryHash(changed)).not.toBe(first.hash);
  });

  test('a chain begins with what ties it to till and incarnation', () => {
    const others = [
      { ...OWNER, till: 'till-2' },
      { ...OWNER, incarnation: '0190f8a0-0000-7000-8000-000000000002' },
    ];
    for (const owner of others) expect(genesisHash(owner)).not.toBe(genesisHash(OWNER));
  });

  test('each entry names the hash before it, and its number is one more', () => {
    const journal = new MemoryJournal();
    journal.append(5);
    for (const [i, entry] of journal.entries.entries()) {
      expect(entry.seq).toBe(i + 1);
      expect(entry.prevHash).toBe(journal.entries[i - 1]?.hash ?? genesisHash(OWNER));
    }
  });

  test('an entry survives the wire with its hash, and its body is the transaction', () => {
    const arrived = decode(encode(first), JournalEntry);
    expect(arrived).toEqual(first);
    const { hash, ...unsealed } = arrived;
    expect(entryHash(unsealed)).toBe(hash);
    expect(Transaction.parse(JSON.parse(arrived.body))).toEqual(voided(1));
  });

  test('a batch with a gap, out of order or empty is refused', () => {
    const journal = new MemoryJournal();
    journal.append(3);
    const [a, b, c] = journal.entries;
    const fits = (entries: unknown): boolean => JournalBatch.safeParse({ ...OWNER, entries }).success;
    expect(fits([a, b, c])).toBe(true);
    expect(fits([b, c])).toBe(true);
    expect(fits([a, c])).toBe(false);
    expect(fits([b, a])).toBe(false);
    expect(fits([a, a])).toBe(false);
    expect(fits([])).toBe(false);
  });
});
