import { z } from 'zod';
import { holdsNoPaymentCard, NO_PAYMENT_CARD } from './plain-text.ts';

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
/** Names beside those of tills: the feed’s in topics, the server’s as a user of the broker. */
const TAKEN: ReadonlySet<string> = new Set(['feed', 'server']);

/** A retailer's programme: the first level below the topic root. */
export const TenantId = z
  .string()
  .regex(NAME)
  .describe('Name of the programme, e.g. "kaufhaus"')
  .refine(holdsNoPaymentCard, NO_PAYMENT_CARD);
/** A till, unique within the tenant. */
export const TillId = z
  .string()
  .regex(NAME)
  .refine(holdsNoPaymentCard, NO_PAYMENT_CARD)
  .refine((name) => !TAKEN.has(name), 'feed and server have a meaning of their own')
  .describe('Name of the till, unique in the programme, e.g. "store-12-till-3"');
export const StoreId = z
  .string()
  .regex(NAME)
  .describe('Name of the store the till stands in')
  .refine(holdsNoPaymentCard, NO_PAYMENT_CARD);
/** Ids made by whoever creates the thing, once, before anything is sent. Lower case, so that one id has one spelling. */
export const Uuid = z.uuid().toLowerCase();

export type TenantId = z.infer<typeof TenantId>;
export type TillId = z.infer<typeof TillId>;
export type StoreId = z.infer<typeof StoreId>;

/** ms since the epoch. */
export const InstantMs = z.int().min(0).max(8_640_000_000_000_000);
