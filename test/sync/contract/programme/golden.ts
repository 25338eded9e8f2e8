import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Basket } from '../../../../sync/contract/basket.ts';
import { OfferDocument, ProgrammeDocument, Purpose } from '../../../../sync/contract/replica-documents.ts';
import { EarnedPoints } from '../../../../sync/contract/transaction.ts';

/** `lineId` → thousandths that come back, and what must come of it: points taken back, or the code of a refusal. */
const Return = z.strictObject({
  lines: z.array(z.tuple([z.string(), z.int()])),
  takes: z.int().optional(),
  refused: z.string().optional(),
  givesBack: z.int().optional().describe('Of the points it was paid with'),
});

/** One case: what a till and a server must both come to. */
const GoldenCase = z.strictObject({
  name: z.string(),
  programme: ProgrammeDocument,
  offers: z.array(OfferDocument),
  at: z.int(),
  customer: z.strictObject({ tier: z.string(), purposes: z.array(Purpose) }).nullable(),
  basket: Basket,
  expect: z.strictObject({ earned: EarnedPoints, rest: z.int() }),
  redeemed: z.strictObject({ points: z.int(), minor: z.int(), parts: z.array(z.int()) }).optional(),
  returns: z.array(Return),
  undone: z.int().describe('What undoing the sale then takes back'),
  ruleAfter: ProgrammeDocument.optional().describe('In force when the returns come'),
});
export type GoldenCase = z.infer<typeof GoldenCase>;

const Table = z.strictObject({
  about: z.string(),
  programme: z.unknown(),
  cases: z.array(z.looseObject({})),
});

/** The cases of `golden.json`, each with what it leaves out taken from the table's own programme. */
export function goldenCases(): readonly GoldenCase[] {
  const table = Table.parse(JSON.parse(readFileSync(new URL('./golden.json', import.meta.url), 'utf8')));
  const whole = z.looseObject({ earn: z.looseObject({}) }).parse(table.programme);
  const merged = (part: unknown): unknown => {
    const own = z.looseObject({ earn: z.looseObject({}).optional() }).parse(part ?? {});
    return { ...whole, ...own, earn: { ...whole.earn, ...own.earn } };
  };
  return table.cases.map((each) =>
    GoldenCase.parse({
      offers: [],
      at: 1_780_000_000_000,
      customer: { tier: 'basic', purposes: [] },
      returns: [],
      ...each,
      programme: merged(each['programme']),
      ...(each['ruleAfter'] === undefined ? {} : { ruleAfter: merged(each['ruleAfter']) }),
    }),
  );
}
