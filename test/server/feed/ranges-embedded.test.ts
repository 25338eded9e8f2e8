import { describe } from 'vitest';
import { onEmbedded } from '../suite-databases.ts';
import { rangesSuite } from './ranges.suite.ts';

describe('range hashes on the embedded database', () => {
  const { database } = onEmbedded();

  rangesSuite(database, 2);
});
