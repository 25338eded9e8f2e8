import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FeedPosition, isBehind } from '../../../sync/contract/feed.ts';

const at = (xid: string, seq: number, epoch = 'e1'): FeedPosition => ({ epoch, xid, seq });
const position = fc.record({
  epoch: fc.constant('e1'),
  xid: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
  seq: fc.nat(),
});

describe('being behind the feed', () => {
  test.each([
    ['nothing was pulled', undefined, at('1', 0), true],
    ['it stands at the head', at('5', 3), at('5', 3), false],
    ['the sequence is less', at('5', 2), at('5', 3), true],
    ['the transaction is earlier, whatever the sequence', at('4', 9), at('5', 0), true],
    ['it is past a head that came late', at('6', 0), at('5', 9), false],
    ['transaction ids compare as numbers', at('9', 0), at('10', 0), true],
    [
      'also where doubles no longer tell them apart',
      at('18446744073709551614', 0),
      at('18446744073709551615', 0),
      true,
    ],
    ['the epoch is another, even when the numbers are less', at('9', 9), at('1', 1, 'e2'), true],
  ] as const)('%s', (_why, mine, head, behind) => {
    expect(isBehind(mine, head)).toBe(behind);
  });

  test('of two different positions exactly one is behind the other', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        const same = BigInt(a.xid) === BigInt(b.xid) && a.seq === b.seq;
        expect(isBehind(a, b) !== isBehind(b, a)).toBe(!same);
      }),
    );
  });

  test.each(['', '-1', '1e3', '0x1', '123456789012345678901', ' 1'])('"%s" is no transaction id', (xid) => {
    expect(FeedPosition.safeParse(at(xid, 0)).success).toBe(false);
  });
});
