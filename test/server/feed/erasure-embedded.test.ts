import { describe } from 'vitest';
import { onEmbedded } from '../suite-databases.ts';
import { erasureSuite } from './erasure.suite.ts';

describe('erasure on the embedded database', () => {
  const { database } = onEmbedded();

  erasureSuite(database);
});
