import type { ProgrammeDocument } from '../../sync/contract/replica-documents.ts';

export const MINOR_PER_POINT = 100;

/** So plain that the checker can calculate points by itself. */
export const worldProgramme: ProgrammeDocument = {
  id: 'programme',
  version: 1,
  currency: 'EUR',
  earn: { points: 1, perMinor: MINOR_PER_POINT, excludedCategories: [] },
  tiers: [{ id: 'basic', name: { de: 'Basis', en: 'Basic' }, earnPercent: 100 }],
  staleAfterMs: 3 * 86_400_000,
};
