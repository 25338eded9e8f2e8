import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { AuditWalk, compareAudit, readAuditBlocks, totalOf } from '../../../sync/contract/audit.ts';
import type { AuditBlock, AuditComparison, AuditEntry, OwnChain } from '../../../sync/contract/audit.ts';
import { genesisHash, sealEntry } from '../../../sync/contract/journal-entry.ts';
import type { JournalEntry } from '../../../sync/contract/journal-entry.ts';

const random = new SeededRandom(5);
const owner = { till: 'till-1', incarnation: uuidV7(1, random) };
const START = { seq: 0, hash: genesisHash(owner) };

function sales(count: number, after: readonly JournalEntry[] = []): JournalEntry[] {
  const entries = [...after];
  for (let i = 0; i < count; i += 1) {
    entries.push(
      sealEntry(entries.at(-1) ?? START, uuidV7(1, random), {
        kind: 'sale.completed',
        saleId: uuidV7(1, random),
        storeId: 'store-1',
        at: 1,
        basket: {
          currency: 'EUR',
          lines: [{ id: '1', article: '4006381333931', quantityMilli: 1000, totalMinor: 250 }],
          totalMinor: 250,
        },
        customer: null,
        earned: { programmeVersion: 1, base: 2, bonuses: [{ offerId: 'o', points: 3 }] },
      }),
    );
  }
  return entries;
}

function blocksOf(
  entries: readonly AuditEntry[],
  size: number,
  start = START,
): { blocks: AuditBlock[]; walk: AuditWalk } {
  const walk = new AuditWalk(start, size);
  const blocks = entries.flatMap((entry) => walk.take(entry) ?? []);
  return { blocks: [...blocks, ...[walk.end()].filter((block) => block !== undefined)], walk };
}

function chainOf(entries: readonly JournalEntry[], anchorSeq = 0): OwnChain {
  return {
    anchorSeq,
    lastSeq: entries.length,
    hashAt: (seq) => (seq < anchorSeq ? undefined : seq === 0 ? START.hash : entries[seq - 1]?.hash),
  };
}

describe('walking', () => {
  test('blocks lie on round numbers, say where they end, and sum what was shown', () => {
    const entries = sales(7);
    const { blocks, walk } = blocksOf(entries, 3);
    expect(blocks.map(({ fromSeq, toSeq, entries: count }) => [fromSeq, toSeq, count])).toEqual([
      [1, 3, 3],
      [4, 6, 3],
      [7, 7, 1],
    ]);
    expect(blocks.map(({ hash }) => hash)).toEqual([entries[2]?.hash, entries[5]?.hash, entries[6]?.hash]);
    expect(walk.misfit).toBeUndefined();
    expect(totalOf(blocks)).toEqual({ sales: 7, voids: 0, points: 35, totals: { EUR: 1_750 } });
  });

  test('the blocks of a journal whose beginning is gone end where those of the whole one do', () => {
    const entries = sales(8);
    const whole = blocksOf(entries, 3).blocks;
    const rest = blocksOf(entries.slice(4), 3, { seq: 4, hash: entries[3]?.hash ?? '' });
    expect(rest.walk.misfit).toBeUndefined();
    expect(rest.blocks.map(({ toSeq, hash }) => [toSeq, hash])).toEqual(
      whole.slice(1).map(({ toSeq, hash }) => [toSeq, hash]),
    );
  });

  test('the first entry that does not fit is named, whatever is wrong with it, and whatever follows', () => {
    const entries = sales(6);
    const at = (seq: number, change: Partial<AuditEntry>): AuditEntry[] =>
      entries.map((entry) => (entry.seq >= seq && entry.seq <= seq + 1 ? { ...entry, ...change } : entry));
    expect(blocksOf(at(3, { body: '{}' }), 3).walk.misfit).toEqual({
      seq: 3,
      what: 'has another content than was sealed',
    });
    expect(blocksOf(at(4, { prevHash: 'a'.repeat(64) }), 3).walk.misfit).toEqual({
      seq: 4,
      what: 'does not continue the chain',
    });
    const holed = blocksOf(
      entries.filter(({ seq }) => seq !== 2),
      3,
    );
    expect(holed.walk.misfit).toEqual({ seq: 2, what: 'missing' });
    expect(holed.blocks[0]).toMatchObject({ fromSeq: 1, toSeq: 3, entries: 2 });
    // Where only the hash of a text is kept there is nothing to recompute, but the chain goes on.
    expect(blocksOf(at(3, { body: null }), 3).walk.misfit).toBeUndefined();
  });
});

describe('comparing', () => {
  test('the first entry that differs lies in the range that is named, and is named with blocks of one', () => {
    fc.assert(
      fc.property(
        fc.record({
          common: fc.nat(25),
          own: fc.nat(12),
          other: fc.nat(12),
          size: fc.integer({ min: 1, max: 7 }),
          anchor: fc.nat(25),
        }),
        ({ common, own, other, size, anchor }) => {
          const stem = sales(common);
          const ours = sales(own, stem);
          const blocks = blocksOf(sales(other, stem), size).blocks;
          const anchorSeq = Math.min(anchor, common);
          const verdict = compareAudit(chainOf(ours, anchorSeq), blocks);
          expect({ verdict, right: isRight(verdict) }).toMatchObject({ right: true });

          function isRight(said: AuditComparison): boolean {
            if (other === 0)
              return said.kind === 'same' && said.upToSeq === (common < Math.max(1, anchorSeq) ? 0 : common);
            if (own === 0) return size > 1 || (said.kind === 'ahead' && said.otherSeq === common + other);
            return (
              said.kind === 'differs' &&
              said.afterSeq <= common &&
              said.bySeq > common &&
              (size > 1 || said.bySeq === said.afterSeq + 1)
            );
          }
        },
      ),
    );
  });

  test('what the other lacks in the middle is a gap', () => {
    const entries = sales(9);
    const holed = entries.filter(({ seq }) => seq !== 5);
    expect(compareAudit(chainOf(entries), blocksOf(holed, 3).blocks)).toEqual({
      kind: 'gap',
      afterSeq: 3,
      bySeq: 6,
    });
    expect(compareAudit(chainOf(entries), blocksOf(holed, 1).blocks)).toMatchObject({
      kind: 'gap',
      afterSeq: 4,
    });
  });

  test('a thousand blocks are looked at ten times', () => {
    const entries = sales(1_000);
    const { blocks } = blocksOf(entries, 1);
    let looks = 0;
    const chain = chainOf(entries);
    compareAudit({ ...chain, hashAt: (seq) => ((looks += 1), chain.hashAt(seq)) }, blocks);
    expect(looks).toBeLessThanOrEqual(10);
  });
});

describe('reading', () => {
  const { blocks } = blocksOf(sales(5), 2);

  test('JSON lines and the API’s answer are both read', () => {
    const lines = `${blocks.map((block) => JSON.stringify(block)).join('\n')}\n`;
    expect(readAuditBlocks(lines)).toEqual(blocks);
    expect(readAuditBlocks(JSON.stringify(blocks[0]))).toEqual([blocks[0]]);
    expect(readAuditBlocks(JSON.stringify({ till: 'x', blocks }))).toEqual(blocks);
    expect(readAuditBlocks(JSON.stringify({ till: 'x', blocks }, undefined, 2))).toEqual(blocks);
  });

  test('blocks out of order, and what is no block, are refused', () => {
    for (const text of [JSON.stringify({ blocks: blocks.toReversed() }), '{"fromSeq":1}', 'x'])
      expect(() => readAuditBlocks(text)).toThrow(expect.objectContaining({ code: 'WIRE_MALFORMED' }));
  });
});
