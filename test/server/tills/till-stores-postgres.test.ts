import { describe } from 'vitest';
import { onPostgres } from '../suite-databases.ts';
import { tillStoresSuite } from './till-stores.suite.ts';

describe('stores of tills on PostgreSQL', () => {
  const { database } = onPostgres();

  tillStoresSuite(database);
});
