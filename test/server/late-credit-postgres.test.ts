import { describe } from 'vitest';
import { lateCreditSuite } from './late-credit.suite.ts';
import { onPostgres } from './suite-databases.ts';

describe('late credit on PostgreSQL', () => {
  lateCreditSuite(onPostgres().database);
});
