import { describe } from 'vitest';
import { onPostgres } from '../suite-databases.ts';
import { forgottenSuite } from './forgotten.suite.ts';

describe('snapshots and the erased on PostgreSQL', () => {
  const { database } = onPostgres();

  forgottenSuite(database);
});
