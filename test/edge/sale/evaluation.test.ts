import { expect, test } from 'vitest';
import { evaluate } from '../../../edge/sale/evaluation.ts';
import type { Identified } from '../../../edge/sale/identified.ts';
import { goldenCases } from '../../sync/contract/programme/golden.ts';
import type { GoldenCase } from '../../sync/contract/programme/golden.ts';

/** The customer of a case as a till identifies them; a card nobody knows where it has none. */
function identified({ customer, at }: GoldenCase): Identified {
  return {
    identificationId: '0190f8a0-0000-7000-8000-000000000001',
    credential: 'card …4821',
    index: 'A'.repeat(43),
    kind: 'card',
    trust: 'L1',
    as:
      customer === null
        ? { verdict: 'unknown' }
        : {
            verdict: 'known',
            customer: {
              id: '0190f8a0-0000-7000-8000-000000000002',
              status: 'active',
              points: 0,
              pointsAt: at,
              greeting: null,
              ...customer,
            },
          },
  };
}

test.each(goldenCases())('a till comes to what the table says: $name', (golden) => {
  const { basket, programme, offers, at } = golden;
  const { earned } = evaluate(
    { basket, customer: identified(golden) },
    { programme, offers, stale: false },
    at,
  );
  expect(earned).toEqual(golden.expect.earned);
});
