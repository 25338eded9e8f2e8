import { z } from 'zod';
import { keyProtections } from '../../foundation/secret-source.ts';
import { Uuid } from '../../sync/contract/ids.ts';
import { Currency } from '../../sync/contract/money.ts';
import { OfferView } from '../../sync/contract/offer.ts';
import { Shift } from '../../sync/contract/transaction.ts';
import { Identification, ReaderView, SaleView, SyncView, trustFields } from './events.ts';

export const SaleParams = z.strictObject({
  saleId: Uuid.describe('Made by the POS, or by the till on opening'),
});

export const OpenSaleRequest = z.strictObject({
  saleId: Uuid.optional().describe('Made by the caller, so that the call can be repeated'),
  currency: Currency.optional().describe('The programme’s currency when absent'),
});

export const CompleteRequest = z.strictObject({
  shift: Shift.optional().describe('Whoever is at the till, by a pseudonym'),
});

export const RedeemRequest = z.strictObject({
  redemptionId: Uuid.optional().describe('Made by the caller, so that the call can be repeated'),
  points: z.int().min(1).max(1_000_000_000),
});

export const AttachRequest = z.strictObject({ identificationId: Uuid });

export const TypedNumberRequest = z.strictObject({
  number: z
    .string()
    .min(1)
    .max(512)
    .describe('As a person types it, or as a scanner does for them; never part of an address'),
});

/** What an identification came to, as the event `identified` tells it. */
export const IdentificationView = z.strictObject({
  identificationId: Uuid,
  scanId: Uuid.nullable(),
  credential: z.string().describe('Masked'),
  ...trustFields,
  identification: Identification,
  offers: z.array(OfferView),
  currency: Currency.nullable().describe('Of the amounts in the offers'),
  replicaAgeMs: z.number().nullable(),
  tookMs: z.number(),
});

export const SaleList = z.strictObject({ sales: z.array(SaleView) });

export const ReaderParams = z.strictObject({ readerId: z.string().min(1).max(32) });

/** Body of a claim. */
export const ClaimRequest = z.strictObject({
  clientId: z.string().min(1).max(64).describe('From the event hello of the caller’s own connection'),
  leaseSeconds: z
    .int()
    .min(5)
    .max(600)
    .default(60)
    .describe('The claim ends by itself after this long; claim again to keep it'),
  dataEventEnabled: z
    .boolean()
    .default(true)
    .describe('false: products of this reader are discarded until it is claimed with true'),
});

export const ReleaseQuery = z.strictObject({ clientId: z.string().min(1).max(64) });

export const ClaimView = z.strictObject({
  readerId: z.string(),
  clientId: z.string(),
  dataEventEnabled: z.boolean(),
  leaseEndsInMs: z.number(),
});

/** How products reach the POS. */
const PassThroughView = z.strictObject({
  outputs: z.array(
    z.strictObject({
      id: z.string(),
      kind: z.string(),
      status: z.enum(['opening', 'ready', 'waiting', 'closed']),
      code: z.string().nullable().describe('Why it waits'),
      receivers: z
        .int()
        .nullable()
        .describe(
          'Programs that listen; 0 on a virtual port when the last scan was not read; null: not known',
        ),
      passed: z.int().describe('Scans handed to the operating system for the POS'),
      waiting: z.int().describe('Scans that wait for the POS now'),
      dropped: z
        .strictObject({ stale: z.int(), full: z.int() })
        .describe('Scans the POS did not take in time; scans that found too many waiting'),
    }),
  ),
  claims: z.array(ClaimView),
});

export const StatusView = z.strictObject({
  till: z.string(),
  store: z.string(),
  sync: SyncView,
  readers: z.array(ReaderView),
  keyProtection: z
    .enum(keyProtections)
    .optional()
    .describe('How the till’s keys rest: in a file, or sealed by systemd as a credential'),
  passThrough: PassThroughView.optional(),
});
