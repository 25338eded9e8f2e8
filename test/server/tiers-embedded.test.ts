import { describe } from 'vitest';
import { tiersSuite } from './tiers.suite.ts';
import { onEmbedded } from './suite-databases.ts';

describe('tiers on the embedded database', () => {
  tiersSuite(onEmbedded().database);
});
