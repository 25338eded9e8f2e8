import { z } from 'zod';
import { DevicePublicKey } from './app-code/device-key.ts';
import { BLIND_INDEX_PATTERN } from './blind-index.ts';
import { ConsentText } from './consent.ts';
import { identifierKinds } from './credential.ts';
import { InstantMs, Uuid } from './ids.ts';
import { Currency } from './money.ts';
import {
  BurnRules,
  EarnRules,
  LateCreditRules,
  PointsRules,
  RedemptionRules,
  TierQualification,
} from './programme/programme-rules.ts';
import { refuseUnreachableTiers } from './programme/tiers.ts';
import { ReplicaScope } from './replica-scope.ts';
import { holdsNoPaymentCard, NO_PAYMENT_CARD, plainText } from './plain-text.ts';

/** A line for people, shown on every till. */
const Line = plainText(200);
/** A text in the languages people at the till read. */
export const Text = z.strictObject({ de: Line, en: Line });
export type Text = z.infer<typeof Text>;

/** What a customer agreed to. `greeting` allows the first name on the till, `personal_offers` offers made for them. */
export const purposes = ['greeting', 'personal_offers', 'profiling'] as const;
export const Purpose = z.enum(purposes);
export type Purpose = z.infer<typeof Purpose>;

/** A card, code or token, known only by its blind index. */
export const CredentialDocument = z.strictObject({
  index: z.string().regex(BLIND_INDEX_PATTERN),
  kind: z.enum(identifierKinds),
  customerId: Uuid.nullable().describe('Whose it is; null while it is printed but not given out'),
  status: z.enum(['active', 'blocked']),
  validUntil: InstantMs.nullable().describe('No longer accepted from this instant on'),
  publicKey: DevicePublicKey.optional().describe(
    'Of a customer’s phone: what its app codes are verified with',
  ),
});

/** The least a till must know of a customer: no name but the one for the greeting, and that only with consent. */
export const CustomerDocument = z.strictObject({
  id: Uuid,
  status: z.enum(['active', 'blocked', 'closed']),
  tier: z.string().min(1).max(32),
  points: z.int().describe('Balance in the ledger'),
  pointsAt: InstantMs.describe('When the ledger had that balance'),
  purposes: z.array(Purpose).max(purposes.length),
  greeting: z.string().max(60).nullable().describe('First name, present only with the purpose greeting'),
});

const Reward = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('points'), points: z.int().min(1).max(1_000_000) }),
  z.strictObject({
    kind: z.literal('multiplier'),
    percent: z.int().min(101).max(10_000).describe('200 = double points'),
  }),
  z.strictObject({ kind: z.literal('discount'), amountMinor: z.int().min(1) }),
  z.strictObject({ kind: z.literal('percent'), percent: z.int().min(1).max(100) }),
]);

/** An offer with all that decides whether it fits, so that a till can decide alone. */
export const OfferDocument = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/)
    .refine(holdsNoPaymentCard, NO_PAYMENT_CARD),
  title: Text,
  validFrom: InstantMs,
  validUntil: InstantMs,
  tiers: z.array(plainText(32).min(1)).max(20).optional().describe('Only for these tiers'),
  purpose: Purpose.optional().describe('Only for customers who agreed to this'),
  minTotalMinor: z.int().min(1).optional().describe('Only from this basket total on'),
  articles: z
    .array(plainText(64))
    .max(500)
    .optional()
    .describe('Only with one of these articles in the basket'),
  categories: z
    .array(plainText(64))
    .max(100)
    .optional()
    .describe('Only with one of these categories in the basket'),
  reward: Reward,
});

/** An `integer` of PostgreSQL. */
export const PROGRAMME_VERSION_MAX = 2_147_483_647;

/** The programme's rules as tills and server calculate with them. */
export const ProgrammeDocument = z.strictObject({
  id: z.literal('programme'),
  version: z
    .int()
    .min(1)
    .max(PROGRAMME_VERSION_MAX)
    .describe('Grows with every change; entries name the version they were calculated with'),
  currency: Currency,
  earn: EarnRules,
  burn: BurnRules.optional().describe('Absent: nothing is paid with points'),
  points: PointsRules.optional().describe('Absent: points can be used at once and for ever'),
  redemption: RedemptionRules.optional(),
  lateCredit: LateCreditRules.optional().describe('Absent: only a card shown with the sale earns'),
  tiers: z
    .array(
      z.strictObject({
        id: plainText(32).min(1),
        name: Text,
        earnPercent: z.int().min(0).max(10_000),
        qualify: TierQualification.optional().describe('Absent: the first tier, or one given by hand'),
      }),
    )
    .min(1)
    .max(20)
    .superRefine(refuseUnreachableTiers),
  staleAfterMs: z
    .int()
    .min(60_000)
    .describe('A replica older than this fails closed for all that rests on consent'),
  consentTexts: z
    .array(ConsentText)
    .max(20)
    .refine(
      (texts) => new Set(texts.map(({ purpose }) => purpose)).size === texts.length,
      'one text for each purpose',
    )
    .optional()
    .describe('What is agreed to at the till; without a text it is not asked for'),
  replica: z
    .strictObject({ scope: ReplicaScope.describe('Which customers a till holds') })
    .optional()
    .describe('Absent: every till holds all customers'),
});

export type CredentialDocument = z.infer<typeof CredentialDocument>;
export type CustomerDocument = z.infer<typeof CustomerDocument>;
export type OfferDocument = z.infer<typeof OfferDocument>;
export type ProgrammeDocument = z.infer<typeof ProgrammeDocument>;

/** The collections a till replicates, with the schema of their documents and the name of the primary key. */
export const replicaCollections = {
  credentials: { document: CredentialDocument, primaryKey: 'index' },
  customers: { document: CustomerDocument, primaryKey: 'id' },
  offers: { document: OfferDocument, primaryKey: 'id' },
  programme: { document: ProgrammeDocument, primaryKey: 'id' },
} as const;

export type ReplicaCollection = keyof typeof replicaCollections;
export const replicaCollectionNames = [
  'credentials',
  'customers',
  'offers',
  'programme',
] as const satisfies readonly ReplicaCollection[];

export interface ReplicaDocuments {
  credentials: CredentialDocument;
  customers: CustomerDocument;
  offers: OfferDocument;
  programme: ProgrammeDocument;
}
