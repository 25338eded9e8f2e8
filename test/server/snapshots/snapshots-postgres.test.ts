import { describe } from 'vitest';
import { snapshotsSuite } from './snapshots.suite.ts';
import { onPostgres } from '../suite-databases.ts';

describe('snapshots on PostgreSQL', () => {
  const { database } = onPostgres();

  snapshotsSuite(database, 3);
});
