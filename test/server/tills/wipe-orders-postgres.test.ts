import { describe } from 'vitest';
import { onPostgres } from '../suite-databases.ts';
import { wipeOrdersSuite } from './wipe-orders.suite.ts';

describe('wipe orders on PostgreSQL', () => {
  const { database } = onPostgres();

  wipeOrdersSuite(database);
});
