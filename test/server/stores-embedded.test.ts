import { describe } from 'vitest';
import { onEmbedded } from './suite-databases.ts';
import { storesSuite } from './stores.suite.ts';

describe('the stores on the embedded database', () => {
  const { database } = onEmbedded();

  storesSuite(database);
});
