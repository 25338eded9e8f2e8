import { expect, test } from 'vitest';
import { addsUp } from '../../../../sync/contract/basket.ts';
import { evaluateSale, totalPoints } from '../../../../sync/contract/earn.ts';
import { saleParts } from '../../../../sync/contract/programme/allot.ts';
import { judgeBurn, redeemedParts } from '../../../../sync/contract/programme/burn.ts';
import { takeBack, takeBackRest } from '../../../../sync/contract/programme/returns.ts';
import type { Returned, TakenBack } from '../../../../sync/contract/programme/returns.ts';
import { goldenCases } from './golden.ts';
import type { GoldenCase } from './golden.ts';

/** What a return of a case comes to, in the table's words. */
function outcomeOf(
  taken: TakenBack,
  given: TakenBack,
): Pick<GoldenCase['returns'][number], 'takes' | 'refused'> {
  if (taken.kind === 'refused') return { refused: taken.code };
  return {
    takes: taken.points,
    ...(given.kind === 'taken' && given.points > 0 ? { givesBack: given.points } : {}),
  };
}

// Each case is worked through as a till and a server do it: what is earned, what was paid with points, and then the
// returns in their order, from what was stored with the sale.
test.each(goldenCases())('$name', ({ programme, offers, customer, basket, at, ...golden }) => {
  expect(addsUp(basket)).toBe(true);
  const { earned } = evaluateSale(programme, offers, { customer, basket, at, stale: false });
  expect(earned).toEqual(golden.expect.earned);
  const parts = saleParts(basket, earned.parts, totalPoints(earned));
  expect(parts.rest).toBe(golden.expect.rest);

  const { points, ...redeemed } = golden.redeemed ?? { points: 0 };
  const onLines = programme.burn === undefined ? [] : redeemedParts(programme.burn, basket, points);
  const verdict = judgeBurn(programme.burn, basket, points, undefined);
  const minor = verdict.kind === 'fits' ? { minor: verdict.minor, parts: onLines } : {};
  expect(minor).toEqual(redeemed);
  const paid = saleParts(basket, onLines, points);

  let returned: Returned = new Map();
  const outcomes = golden.returns.map(({ lines }) => {
    const back = lines.map(([lineId, quantityMilli]) => ({ lineId, quantityMilli }));
    const taken = takeBack(parts, returned, back);
    const given = takeBack(paid, returned, back);
    returned = taken.kind === 'taken' ? taken.returned : returned;
    return { lines, ...outcomeOf(taken, given) };
  });
  expect(outcomes).toEqual(golden.returns);
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
