import { describe } from 'vitest';
import { onPostgres } from '../suite-databases.ts';
import { erasedIdsSuite } from './erased-ids.suite.ts';

describe('ids of the erased on PostgreSQL', () => {
  const { database } = onPostgres();

  erasedIdsSuite(database);
});
