import { describe } from 'vitest';
import { redemptionSuite } from './redemption.suite.ts';
import { onPostgres } from './suite-databases.ts';

describe('redemptions on PostgreSQL', () => {
  redemptionSuite(onPostgres().database);
});
