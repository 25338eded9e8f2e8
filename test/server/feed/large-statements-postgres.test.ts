import { describe } from 'vitest';
import { largeStatementsSuite } from './large-statements.suite.ts';
import { onPostgres } from '../suite-databases.ts';

describe('large statements on PostgreSQL', () => {
  const { database } = onPostgres();

  largeStatementsSuite(database);
});
