import { describe } from 'vitest';
import { tiersSuite } from './tiers.suite.ts';
import { onPostgres } from './suite-databases.ts';

describe('tiers on PostgreSQL', () => {
  tiersSuite(onPostgres().database);
});
