import { describe } from 'vitest';
import { erasureSuite } from './erasure.suite.ts';
import { onPostgres } from '../suite-databases.ts';

describe('erasure on PostgreSQL', () => {
  const { database } = onPostgres();

  erasureSuite(database);
});
