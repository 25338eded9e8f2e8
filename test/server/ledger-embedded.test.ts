import { describe } from 'vitest';
import { ledgerSuite } from './ledger.suite.ts';
import { onEmbedded } from './suite-databases.ts';

describe('the ledger on the embedded database', () => {
  ledgerSuite(onEmbedded().database);
});
