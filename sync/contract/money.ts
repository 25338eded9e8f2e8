import { z } from 'zod';

/** ISO 4217 code. */
export const Currency = z.string().regex(/^[A-Z]{3}$/);
/** An amount in the currency's minor unit (cents, Rappen); negative for discounts and returned goods. */
export const AmountMinor = z.int().min(-1_000_000_000_000).max(1_000_000_000_000);

/** A way to pay as the POS calls it, e.g. `cash`, `card`, `gift-card`, `points`. Letters only: no number fits in. */
export const Tender = z.string().regex(/^[a-z][a-z-]{0,31}$/);
