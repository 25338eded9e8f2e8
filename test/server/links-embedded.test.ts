import { describe } from 'vitest';
import { onEmbedded } from './suite-databases.ts';
import { linksSuite } from './links.suite.ts';

describe('linked bank cards on the embedded database', () => {
  const { database } = onEmbedded();

  linksSuite(database);
});
