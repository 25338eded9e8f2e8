import { describe } from 'vitest';
import { lateCreditSuite } from './late-credit.suite.ts';
import { onEmbedded } from './suite-databases.ts';

describe('late credit on the embedded database', () => {
  lateCreditSuite(onEmbedded().database);
});
