import type { ProgrammeDocument } from '../../sync/contract/replica-documents.ts';

/** A point for each full euro. */
export const programme: ProgrammeDocument = {
  id: 'programme',
  version: 1,
  currency: 'EUR',
  earn: { points: 1, perMinor: 100, excludedCategories: ['tobacco'] },
  tiers: [
    { id: 'basic', name: { de: 'Basis', en: 'Basic' }, earnPercent: 100 },
    { id: 'gold', name: { de: 'Gold', en: 'Gold' }, earnPercent: 200 },
  ],
  staleAfterMs: 86_400_000,
};
