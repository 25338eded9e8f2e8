import { z } from 'zod';
import { trustLevels } from '../../sync/contract/credential.ts';
import { Uuid } from '../../sync/contract/ids.ts';
import { Currency } from '../../sync/contract/money.ts';
import { OfferView } from '../../sync/contract/offer.ts';
import { Identification, ReaderView, SaleView, SyncView } from './events.ts';

export const SaleParams = z.strictObject({
  saleId: Uuid.describe('Made by the POS, or by the till on opening'),
});

export const OpenSaleRequest = z.strictObject({
  saleId: Uuid.optional().describe('Made by the caller, so that the call can be repeated'),
  currency: Currency.optional().describe('The programme’s currency when absent'),
});

export const AttachRequest = z.strictObject({ identificationId: Uuid });

export const TypedNumberRequest = z.strictObject({
  number: z.string().min(1).max(64).describe('As a person types it; never part of an address'),
});

/** What an identification came to, as the event `identified` tells it. */
export const IdentificationView = z.strictObject({
  identificationId: Uuid,
  scanId: Uuid.nullable(),
  credential: z.string().describe('Masked'),
  trust: z.enum(trustLevels),
  identification: Identification,
  offers: z.array(OfferView),
  replicaAgeMs: z.number().nullable(),
  tookMs: z.number(),
});

export const SaleList = z.strictObject({ sales: z.array(SaleView) });

export const StatusView = z.strictObject({
  till: z.string(),
  store: z.string(),
  sync: SyncView,
  readers: z.array(ReaderView),
});
