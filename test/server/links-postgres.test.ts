import { describe } from 'vitest';
import { linksSuite } from './links.suite.ts';
import { onPostgres } from './suite-databases.ts';

describe('linked bank cards on PostgreSQL', () => {
  const { database } = onPostgres();

  linksSuite(database);
});
