import { describe } from 'vitest';
import { onEmbedded } from '../suite-databases.ts';
import { tillStoresSuite } from './till-stores.suite.ts';

describe('stores of tills on the embedded database', () => {
  const { database } = onEmbedded();

  tillStoresSuite(database);
});
