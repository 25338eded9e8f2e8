import { describe } from 'vitest';
import { onEmbedded } from '../suite-databases.ts';
import { wipeOrdersSuite } from './wipe-orders.suite.ts';

describe('wipe orders on the embedded database', () => {
  const { database } = onEmbedded();

  wipeOrdersSuite(database);
});
