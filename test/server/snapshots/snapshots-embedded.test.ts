import { describe } from 'vitest';
import { onEmbedded } from '../suite-databases.ts';
import { snapshotsSuite } from './snapshots.suite.ts';

describe('snapshots on the embedded database', () => {
  const { database } = onEmbedded();

  snapshotsSuite(database, 5);
});
