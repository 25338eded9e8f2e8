import { describe } from 'vitest';
import { correctionsSuite } from './corrections.suite.ts';
import { onEmbedded } from './suite-databases.ts';

describe('corrections on the embedded database', () => {
  correctionsSuite(onEmbedded().database);
});
