import { describe } from 'vitest';
import { largeStatementsSuite } from './large-statements.suite.ts';
import { onEmbedded } from '../suite-databases.ts';

describe('large statements on the embedded database', () => {
  const { database } = onEmbedded();

  largeStatementsSuite(database);
});
