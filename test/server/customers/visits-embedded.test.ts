import { describe } from 'vitest';
import { onEmbedded } from '../suite-databases.ts';
import { visitsSuite } from './visits.suite.ts';

describe('visits on the embedded database', () => {
  const { database } = onEmbedded();

  visitsSuite(database);
});
