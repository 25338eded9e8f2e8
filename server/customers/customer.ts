import { z } from 'zod';
import { holdsNoPaymentCard, NO_PAYMENT_CARD, plainText } from '../../sync/contract/plain-text.ts';
import { InstantMs, Uuid } from '../../sync/contract/ids.ts';
import { Purpose, purposes } from '../../sync/contract/replica-documents.ts';
import { Card, CardNumber } from '../cards/card.ts';

const line = (charactersMax: number): z.ZodString => plainText(charactersMax).trim().min(1);

/** Personal data; it never leaves the server and no till needs it. */
const Profile = z.strictObject({
  givenName: line(100).nullish(),
  familyName: line(100).nullish(),
  birthDate: z.iso.date().nullish(),
  email: z.email().max(254).refine(holdsNoPaymentCard, NO_PAYMENT_CARD).nullish(),
  phone: line(40).nullish(),
  street: line(200).nullish(),
  postalCode: line(20).nullish(),
  city: line(100).nullish(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/)
    .nullish()
    .describe('ISO 3166-1 alpha-2'),
});
export type Profile = z.infer<typeof Profile>;

const Purposes = z
  .array(Purpose)
  .max(purposes.length)
  .transform((list) => [...new Set(list)].sort());
const Greeting = line(60).nullable().describe('First name for the till; needs the purpose greeting');
const Tier = line(32).describe('Tier of the programme');

/** A customer to be made, with the cards they get. */
export const NewCustomer = z
  .strictObject({
    id: Uuid.toLowerCase()
      .optional()
      .describe('Made by the caller, so that a repeated request makes one customer'),
    tier: Tier,
    purposes: Purposes.default([]),
    greeting: Greeting.default(null),
    profile: Profile.optional(),
    cards: z.array(CardNumber).max(10).default([]),
    afterErasure: z
      .boolean()
      .optional()
      .describe(
        'Make them although a customer of this id was erased: they asked for it, and it is no old import',
      ),
  })
  .refine((customer) => customer.greeting === null || customer.purposes.includes('greeting'), {
    message: 'a greeting needs the purpose greeting',
    path: ['greeting'],
  });
export type NewCustomer = z.infer<typeof NewCustomer>;

/** Settings of a customer that can change; absent ones stay as they are. */
export const CustomerPatch = z.strictObject({
  status: z.enum(['active', 'blocked', 'closed']).optional(),
  tier: Tier.optional(),
  purposes: Purposes.optional(),
  greeting: Greeting.optional(),
});
export type CustomerPatch = z.infer<typeof CustomerPatch>;

/** A customer with everything the server knows but the ledger. */
export const CustomerView = z.strictObject({
  id: Uuid,
  status: z.enum(['active', 'blocked', 'closed']),
  tier: z.string(),
  points: z.int(),
  pointsAt: InstantMs,
  purposes: z.array(Purpose),
  greeting: z.string().nullable(),
  createdAt: InstantMs,
  profile: Profile.nullable(),
  cards: z.array(Card),
});
export type CustomerView = z.infer<typeof CustomerView>;
