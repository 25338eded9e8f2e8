import { z } from 'zod';
import { Tender } from '../money.ts';
import { holdsNoPaymentCard, NO_PAYMENT_CARD, plainText } from '../plain-text.ts';
import { isTimeZone } from './calendar.ts';
import { roundings } from './rounding.ts';

const Name = plainText(64).min(1);
const Percent = z.int().min(0).max(10_000);
/** Of points on an account, in a redemption, in an allowance. */
const PointsLimit = z.int().min(0).max(1_000_000_000);

/** Lines it names and kinds of payment earn at its rate. Without either it is for all that no rule before it was. */
export const EarnRule = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/)
    .refine(holdsNoPaymentCard, NO_PAYMENT_CARD),
  categories: z.array(Name).min(1).max(100).optional().describe('Lines of one of these categories'),
  articles: z
    .array(Name)
    .min(1)
    .max(500)
    .optional()
    .describe('Lines of one of these articles, or of the categories'),
  tenders: z.array(Tender).min(1).max(20).optional().describe('What is paid in one of these ways'),
  percent: Percent.describe('200 = double points, 0 = none'),
});
export type EarnRule = z.infer<typeof EarnRule>;

/** How points are earned. Only `points`, `perMinor` and `excludedCategories` are always there. */
export const EarnRules = z
  .strictObject({
    points: z.int().min(0).max(10_000),
    perMinor: z
      .int()
      .min(1)
      .max(1_000_000)
      .describe('points are earned for each full perMinor of the eligible total'),
    excludedCategories: z.array(plainText(64)).max(200),
    rounding: z
      .enum(roundings)
      .optional()
      .describe('Of units of perMinor, and of the tier’s percentage; absent: down'),
    rules: z.array(EarnRule).max(100).optional().describe('The first that fits decides the rate'),
    tenders: z.array(Tender).max(20).optional().describe('Ways to pay that earn nothing'),
  })
  .superRefine(({ excludedCategories, rules = [], tenders = [] }, context) => {
    const refuse = (i: number, message: string): void =>
      context.addIssue({ code: 'custom', path: ['rules', i], message });
    const ids = new Set<string>();
    let isForAll = false;
    for (const [i, rule] of rules.entries()) {
      if (ids.has(rule.id)) refuse(i, `a second rule ${rule.id}`);
      ids.add(rule.id);
      if (isForAll) refuse(i, 'never reached: a rule before it is for everything');
      isForAll ||= rule.categories === undefined && rule.articles === undefined && rule.tenders === undefined;
      if (rule.tenders?.every((tender) => tenders.includes(tender)) === true) {
        refuse(i, 'never fits: its ways to pay earn nothing');
      }
      if (
        rule.articles === undefined &&
        rule.categories?.every((category) => excludedCategories.includes(category)) === true
      ) {
        refuse(i, 'never fits: its categories are excluded');
      }
    }
  });
export type EarnRules = z.infer<typeof EarnRules>;

/** What points are worth when something is paid with them. */
export const BurnRules = z
  .strictObject({
    points: z.int().min(1).max(1_000_000).describe('So many points …'),
    minor: z.int().min(1).max(1_000_000).describe('… are worth so many minor units'),
    minPoints: z.int().min(1).max(1_000_000_000).describe('Fewer are not redeemed'),
    stepPoints: z.int().min(1).max(1_000_000_000).describe('Only multiples of it are redeemed'),
    maxPercent: z.int().min(1).max(100).describe('Of a basket that may be paid with points'),
    excludedCategories: z.array(plainText(64)).max(200).describe('Cannot be paid with points'),
  })
  .refine(({ points, minor, stepPoints }) => (BigInt(stepPoints) * BigInt(minor)) % BigInt(points) === 0n, {
    path: ['stepPoints'],
    message: 'a step must be worth a whole number of minor units',
  })
  .refine(({ minPoints, stepPoints }) => minPoints % stepPoints === 0, {
    path: ['minPoints'],
    message: 'must be a multiple of stepPoints',
  });
export type BurnRules = z.infer<typeof BurnRules>;

/** How long points live. */
export const PointsRules = z
  .strictObject({
    timeZone: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/)
      .refine(isTimeZone, 'no time zone this program knows')
      .describe('IANA name of the zone whose days and months are counted, e.g. Europe/Berlin'),
    vestAfterDays: z
      .int()
      .min(0)
      .max(365)
      .optional()
      .describe('Usable from the beginning of the day so many days after they were earned; absent: at once'),
    expiry: z
      .strictObject({
        months: z.int().min(1).max(120),
        end: z
          .enum(['day', 'month', 'year'])
          .describe('They live to the end of that day, its month or its year'),
      })
      .optional()
      .describe('Absent: points do not expire'),
    negative: z
      .enum(['never', 'returns'])
      .optional()
      .describe('Whether a return may leave a balance below zero; absent: returns'),
  })
  .refine(
    // The shortest months: February is counted as 28 days.
    ({ vestAfterDays = 0, expiry }) => expiry === undefined || vestAfterDays < expiry.months * 28,
    { path: ['vestAfterDays'], message: 'points would expire before they can be used' },
  );
export type PointsRules = z.infer<typeof PointsRules>;

/** How a tier is reached. */
export const TierQualification = z.strictObject({
  points: z.int().min(1).max(1_000_000_000),
  windowMonths: z.int().min(1).max(120).describe('Points earned in so many months until today'),
});

/** What a till may take without the server, and how long the server holds points for a sale. */
export const RedemptionRules = z.strictObject({
  offline: z
    .strictObject({
      perCustomer: PointsLimit,
      perTill: PointsLimit,
      byTrust: z
        .strictObject({
          L0: PointsLimit,
          L1: PointsLimit,
          L2: PointsLimit,
          L3: PointsLimit,
          L4: PointsLimit,
        })
        .describe('Most points of one customer by trust level, where the trust policy allows any'),
      validForMs: z
        .int()
        .min(60_000)
        .max(31 * 86_400_000),
    })
    .optional()
    .describe('Absent: nothing is redeemed without the server'),
  online: z
    .strictObject({
      limitedPerDay: PointsLimit.describe(
        'Most points of one customer within 24 hours, for a card or code that can be copied and only limited trust',
      ),
    })
    .optional()
    .describe('With the server; absent: what the customer has is the limit'),
  reservationMs: z.int().min(1_000).max(86_400_000),
});

/** Points for a sale whose customer had no card at hand. */
export const LateCreditRules = z.strictObject({ withinHours: z.int().min(1).max(8_760) });
