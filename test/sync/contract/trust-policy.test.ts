// Goal: every cell of the policy is what it is on purpose.
// Method: the whole table written out a second time, by hand; a changed cell must be changed here as well.
import { describe, expect, test } from 'vitest';
import { identifierKinds, trustLevels } from '../../../sync/contract/credential.ts';
import { mayDo, trustActions, trustPolicy } from '../../../sync/contract/trust-policy.ts';

const table = [
  // level, reach, earn-limited, earn, redeem-limited, redeem
  ['L0', 'online', 1, 1, 0, 0],
  ['L0', 'offline', 1, 1, 0, 0],
  ['L1', 'online', 1, 1, 1, 0],
  ['L1', 'offline', 1, 1, 0, 0],
  ['L2', 'online', 1, 1, 1, 1],
  ['L2', 'offline', 1, 1, 0, 0],
  ['L3', 'online', 1, 1, 1, 0],
  ['L3', 'offline', 1, 1, 1, 0],
  ['L4', 'online', 1, 1, 1, 1],
  ['L4', 'offline', 1, 1, 1, 0],
] as const;

describe('the trust policy', () => {
  test('has a row for every level, with and without the server', () => {
    expect(table.map(([level, reach]) => `${level} ${reach}`)).toEqual(
      trustLevels.flatMap((level) => [`${level} online`, `${level} offline`]),
    );
    expect(Object.keys(trustPolicy)).toEqual([...trustLevels]);
  });

  test.each(table)('%s %s', (trust, reach, ...cells) => {
    const allowed = trustActions.filter((_action, i) => cells[i] === 1);
    for (const kind of ['card', 'gsrn', 'app'] as const) {
      expect(mayDo({ kind, trust, reach, verdict: 'known' })).toEqual(allowed);
    }
  });

  test('a number typed or a static code earns without the server, and nothing more', () => {
    for (const trust of ['L0', 'L1'] as const) {
      for (const kind of identifierKinds) {
        expect(mayDo({ kind, trust, reach: 'offline', verdict: 'known' })).toEqual(['earn-limited', 'earn']);
      }
    }
  });

  test('a bank card never redeems, at any level, with or without the server', () => {
    for (const trust of trustLevels) {
      for (const reach of ['online', 'offline'] as const) {
        expect(mayDo({ kind: 'bankcard', trust, reach, verdict: 'known' })).toEqual(['earn-limited', 'earn']);
      }
    }
  });

  test('what is blocked or expired may nothing, and an unknown card earns at most', () => {
    for (const trust of trustLevels) {
      for (const reach of ['online', 'offline'] as const) {
        for (const kind of identifierKinds) {
          expect(mayDo({ kind, trust, reach, verdict: 'blocked' })).toEqual([]);
          expect(mayDo({ kind, trust, reach, verdict: 'expired' })).toEqual([]);
          expect(mayDo({ kind, trust, reach, verdict: 'unknown' })).toEqual(['earn-limited', 'earn']);
          expect(mayDo({ kind, trust, reach, verdict: 'unproven' })).toEqual(['earn-limited', 'earn']);
        }
      }
    }
  });

  test('whoever may do something without limit may do it within one', () => {
    for (const trust of trustLevels) {
      for (const row of Object.values(trustPolicy[trust])) {
        expect(row.earn && !row['earn-limited']).toBe(false);
        expect(row.redeem && !row['redeem-limited']).toBe(false);
      }
    }
  });
});
