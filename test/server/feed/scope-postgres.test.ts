import { describe } from 'vitest';
import { scopeSuite } from './scope.suite.ts';
import { onPostgres } from '../suite-databases.ts';

describe('the scope of replicas on PostgreSQL', () => {
  const { database } = onPostgres();

  scopeSuite(database, 5);
});
