import { z } from 'zod';

/** ISO 4217 code. */
export const Currency = z.string().regex(/^[A-Z]{3}$/);
/** An amount in the currency's minor unit (cents, Rappen); negative for discounts and returned goods. */
export const AmountMinor = z.int().min(-1_000_000_000_000).max(1_000_000_000_000);
