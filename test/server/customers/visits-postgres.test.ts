import { describe } from 'vitest';
import { onPostgres } from '../suite-databases.ts';
import { visitsSuite } from './visits.suite.ts';

describe('visits on PostgreSQL', () => {
  const { database } = onPostgres();

  visitsSuite(database);
});
