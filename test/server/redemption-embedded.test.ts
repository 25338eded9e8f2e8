import { describe } from 'vitest';
import { redemptionSuite } from './redemption.suite.ts';
import { onEmbedded } from './suite-databases.ts';

describe('redemptions on the embedded database', () => {
  redemptionSuite(onEmbedded().database);
});
