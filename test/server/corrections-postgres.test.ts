import { describe } from 'vitest';
import { correctionsSuite } from './corrections.suite.ts';
import { onPostgres } from './suite-databases.ts';

describe('corrections on PostgreSQL', () => {
  correctionsSuite(onPostgres().database);
});
