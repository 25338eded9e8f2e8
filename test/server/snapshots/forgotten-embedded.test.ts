import { describe } from 'vitest';
import { onEmbedded } from '../suite-databases.ts';
import { forgottenSuite } from './forgotten.suite.ts';

describe('snapshots and the erased on the embedded database', () => {
  const { database } = onEmbedded();

  forgottenSuite(database);
});
