import { describe } from 'vitest';
import { onEmbedded } from '../suite-databases.ts';
import { erasedIdsSuite } from './erased-ids.suite.ts';

describe('ids of the erased on the embedded database', () => {
  const { database } = onEmbedded();

  erasedIdsSuite(database);
});
