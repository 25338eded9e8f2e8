import { expect, test } from 'vitest';
import { addsUp } from '../../../../sync/contract/basket.ts';
import { evaluateSale, totalPoints } from '../../../../sync/contract/earn.ts';
import { saleParts } from '../../../../sync/contract/programme/allot.ts';
import { judgeBurn, redeemedParts } from '../../../../sync/contract/programme/burn.ts';
import { takeBack, takeBackRest } from '../../../../sync/contract/programme/returns.ts';
import type { Returned } from '../../../../sync/contract/programme/returns.ts';
import { goldenCases } from './golden.ts';

// Each case is worked through as a till and a server do it: what is earned, what was paid with points, and then the
// returns in their order, from what was stored with the sale.
test.each(goldenCases())('$name', ({ programme, offers, customer, basket, at, ...golden }) => {
  expect(addsUp(basket)).toBe(true);
  const { earned } = evaluateSale(programme, offers, { customer, basket, at, stale: false });
  expect(earned).toEqual(golden.expect.earned);
  const parts = saleParts(basket, earned.parts ?? [], totalPoints(earned));
  expect(parts.rest).toBe(golden.expect.rest);

  let paid = saleParts(basket, [], 0);
  if (golden.redeemed !== undefined) {
    const { points, minor, parts: onLines } = golden.redeemed;
    const { burn } = programme;
    expect(judgeBurn(burn, basket, points, undefined)).toEqual({ kind: 'fits', points, minor });
    if (burn === undefined) return;
    expect(redeemedParts(burn, basket, points)).toEqual(onLines);
    paid = saleParts(basket, onLines, points);
  }

  let returned: Returned = new Map();
  for (const each of golden.returns) {
    const lines = each.lines.map(([lineId, quantityMilli]) => ({ lineId, quantityMilli }));
    const taken = takeBack(parts, returned, lines);
    const given = takeBack(paid, returned, lines);
    if (taken.kind === 'refused') {
      expect(taken.code).toBe(each.refused);
      expect(given).toMatchObject({ kind: 'refused', code: each.refused });
      continue;
    }
    expect(each.refused).toBe(undefined);
    expect(taken.points).toBe(each.takes);
    if (each.givesBack !== undefined) expect(given).toMatchObject({ points: each.givesBack });
    returned = taken.returned;
  }
  expect(takeBackRest(parts, returned)).toBe(golden.undone);
});

test('the case of a changed rule is one where the new rule would give other points', () => {
  const changed = goldenCases().filter(({ ruleAfter }) => ruleAfter !== undefined);
  expect(changed).not.toHaveLength(0);
  for (const { ruleAfter, programme, offers, customer, basket, at } of changed) {
    const circumstances = { customer, basket, at, stale: false };
    expect(evaluateSale(ruleAfter, offers, circumstances).earned).not.toEqual(
      evaluateSale(programme, offers, circumstances).earned,
    );
  }
});
