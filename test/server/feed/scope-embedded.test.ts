import { describe } from 'vitest';
import { onEmbedded } from '../suite-databases.ts';
import { scopeSuite } from './scope.suite.ts';

describe('the scope of replicas on the embedded database', () => {
  const { database } = onEmbedded();

  scopeSuite(database, 2);
});
